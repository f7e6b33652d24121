// Links that do worse than lose packets one by one: quic and kcp beside the kernel's BBR, and beside what the path could
// carry. 100 Mbit/s and 50 ms but where it says otherwise.

import test from 'ava'
import type { Settings } from '../../scripts/bench/emulator.js'
import { buildEmulator, emulatedNeeds, figuresOn } from '../support/emulated.js'
import { declare } from '../support/over.js'

let program = ''

test.before(async (t) => {
  t.timeout(600_000)
  program = await buildEmulator()
})

interface Trouble {
  readonly title: string
  readonly link: Settings
  readonly seconds: number
  /** What the path could carry, Mbit/s. */
  readonly most: number
}

const troubles: readonly Trouble[] = [
  { title: '5 % loss in bursts of 4', link: { loss: 0.05, loss_burst: 4 }, seconds: 15, most: 95 },
  { title: '5 % loss in bursts of 10', link: { loss: 0.05, loss_burst: 10 }, seconds: 15, most: 95 },
  { title: '5 % of packets 10 ms late', link: { reorder: 0.05, reorder_ms: 10 }, seconds: 15, most: 100 },
  { title: '20 ms of jitter', link: { jitter_ms: 20 }, seconds: 15, most: 100 },
  { title: 'a policer of 50 Mbit/s', link: { police_mbit: 50 }, seconds: 15, most: 50 },
  { title: 'a gap of 1 s each 15 s', link: { gap_ms: 1_000, gap_every_ms: 15_000 }, seconds: 30, most: 93 },
  { title: '10 Mbit/s for what comes back', link: { way: 'down', rate_mbit: 10 }, seconds: 15, most: 100 },
]

for (const { title, link, seconds, most } of troubles) {
  declare(
    `${title}: quic and kcp move at least 0.9 of what BBR moves, and half of what the path carries`,
    async (t) => {
      const figures = (name: string) => figuresOn(t, program, name, { rttMs: 50, lossPercent: 0, seconds, link })
      const bbr = await figures('tcp bbr')
      for (const name of ['petrel quic', 'petrel kcp']) {
        const ours = await figures(name)
        if (bbr === undefined || ours === undefined) {
          t.pass()
          continue
        }
        const { goodput, overflow } = ours
        const said = `${name} ${goodput.toFixed(1)} Mbit/s, ${(100 * overflow).toFixed(1)} % dropped in the queue`
        t.log(`${said}; BBR ${bbr.goodput.toFixed(1)}, ${(100 * bbr.overflow).toFixed(1)} %`)
        t.true(goodput >= Math.max(0.9 * bbr.goodput, most / 2), name)
      }
    },
    { ...emulatedNeeds, timeoutMs: 300_000 },
  )
}
