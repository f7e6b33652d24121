// A few visitors that stop reading; the gate has 64 of them beside 50 that work.

import { overEach } from '../support/over.js'
import { slowReaders } from '../support/slow-readers.js'

overEach(
  '16 visitors that stop reading leave 12 others to work, and memory in bounds',
  (t, over) => slowReaders(t, over, { stopped: 16, working: 12, seconds: 2, leastShare: 0.2 }),
  { serial: true },
)
