// iperf3 through the real binary, 64 MB each; 10 s each are in test/gates/programs.gate.ts.

import { overEachAndAuto } from '../support/over.js'
import { iperf } from '../support/real/transfers.js'

overEachAndAuto('iperf3 up, down and 8 parallel', (t, over) => iperf(t, over, { bytes: 64_000_000 }), {
  programs: ['iperf3'],
  serial: true,
})
