// 64 visitors stop reading in the middle of downloads while 50 others work.

import { overEach } from '../support/over.js'
import { slowReaders } from '../support/slow-readers.js'

overEach(
  '64 visitors that stop reading leave 50 others half their rate, and memory within 96 MiB',
  (t, over) => slowReaders(t, over, { stopped: 64, working: 50, seconds: 8, leastShare: 0.5 }),
  { serial: true, timeoutMs: 120_000 },
)
