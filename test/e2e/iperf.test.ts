// iperf3 through the real binary, a second each; longer ones are in test/gates/programs.gate.ts.

import { overEach } from '../support/over.js'
import { iperf } from '../support/real/transfers.js'

overEach('iperf3 up, down and 8 parallel', (t, over) => iperf(t, over, 1), { programs: ['iperf3'], serial: true })
