// 200 links of one server, on 20 of which visitors stop reading.

import { manyLinks } from '../support/many-links.js'
import { overEach } from '../support/over.js'

overEach(
  '20 of 200 links whose readers stop leave the server within its budget and others half their rate',
  (t, over) => manyLinks(t, over, { links: 200, stopped: 20, readers: 4, working: 20, seconds: 8, rttMs: 100 }),
  { serial: true, timeoutMs: 300_000 },
)
