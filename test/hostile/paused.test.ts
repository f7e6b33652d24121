// A reader that stops for two seconds with 12 MiB on the way; the gate has ten seeds of it and company for it.

import { overEach } from '../support/over.js'
import { pausedReaders } from '../support/paused.js'

for (const lossPercent of [0, 20]) {
  overEach(
    `a reader that stops for 2 s with 12 MiB on the way, at ${lossPercent} % loss and 200 ms, gets every byte`,
    (t, over) => pausedReaders(t, over, { rttMs: 200, lossPercent, seed: 1, stopping: 1, working: 0 }),
    { serial: true, timeoutMs: 90_000 },
  )
}
