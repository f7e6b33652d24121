// Real programs at full size through the real binaries: the tests of test/e2e with more bytes and more time.

import { overEachAndAuto } from '../support/over.js'
import { sshPrograms } from '../support/real/ssh.js'
import { iperf, sshAndScp } from '../support/real/transfers.js'

overEachAndAuto('ssh runs a command, scp of 200 MB each way is whole', (t, over) => sshAndScp(t, over, 200_000_000), {
  programs: sshPrograms,
  serial: true,
})

overEachAndAuto('iperf3 up, down and 8 parallel, 10 s each', (t, over) => iperf(t, over, { seconds: 10 }), {
  programs: ['iperf3'],
  serial: true,
})
