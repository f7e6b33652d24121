// ssh and scp through the real binary; 200 MB each way is in test/gates/programs.gate.ts.

import { overEachAndAuto } from '../support/over.js'
import { sshPrograms } from '../support/real/ssh.js'
import { sshAndScp } from '../support/real/transfers.js'

overEachAndAuto('ssh runs a command, scp of 16 MB each way is whole', (t, over) => sshAndScp(t, over, 16_000_000), {
  programs: sshPrograms,
})
