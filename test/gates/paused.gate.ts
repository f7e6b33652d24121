// Readers that stop for two seconds with 12 MiB on the way, at 200 ms: ten seeds, no dead link, no byte wrong.

import { overEach } from '../support/over.js'
import { pausedReaders } from '../support/paused.js'

for (const lossPercent of [0, 20]) {
  overEach(
    `ten times a reader that stops with 12 MiB on the way, at ${lossPercent} % loss and 200 ms: no dead link`,
    async (t, over) => {
      for (let seed = 1; seed <= 10; seed++) {
        await pausedReaders(t, over, { rttMs: 200, lossPercent, seed, stopping: 1, working: 0 })
      }
    },
    { serial: true, timeoutMs: 900_000 },
  )

  overEach(
    `two readers that stop beside a third that works, at ${lossPercent} % loss and 200 ms`,
    (t, over) => pausedReaders(t, over, { rttMs: 200, lossPercent, seed: 11, stopping: 2, working: 1 }),
    { serial: true, timeoutMs: 300_000 },
  )
}
