// One bottleneck of 100 Mbit/s and 50 ms for a minute, a transfer through petrel and one of the kernel's TCP in it, no loss.

import test from 'ava'
import { buildEmulator, emulatedNeeds, figuresOn } from '../support/emulated.js'
import { declare } from '../support/over.js'

let program = ''

test.before(async (t) => {
  t.timeout(600_000)
  program = await buildEmulator()
})

/** A bandwidth-delay product, bytes. */
const bdp = (100e6 / 8) * 0.05
const [kept, left] = [0.25, 0.3]

for (const beside of ['cubic', 'bbr'] as const) {
  for (const queue of [1, 4]) {
    declare(
      `beside ${beside} at a queue of ${queue} BDP quic and kcp keep a quarter and leave three tenths`,
      async (t) => {
        const link = { queue_bytes: queue * bdp }
        for (const name of ['petrel quic', 'petrel kcp']) {
          const figures = await figuresOn(t, program, name, { rttMs: 50, lossPercent: 0, seconds: 60, link, beside })
          if (figures === undefined) continue
          const { goodput: ours, besideGoodput: theirs = 0, overflow } = figures
          const share = ours / (ours + theirs)
          const rates = `${name} ${ours.toFixed(1)}, ${beside} ${theirs.toFixed(1)} Mbit/s`
          t.log(`${rates}, a share of ${share.toFixed(2)}, ${(100 * overflow).toFixed(2)} % of all dropped`)
          t.true(share >= kept && share <= 1 - left, name)
          t.true(ours + theirs > 80, 'the path is full')
        }
        t.pass()
      },
      { ...emulatedNeeds, timeoutMs: 400_000 },
    )
  }
}
