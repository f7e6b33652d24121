// The matrix of `scripts/bench/lossy` in short, over the real binaries: petrel beside the kernel's TCP with CUBIC.

import test from 'ava'
import { buildEmulator, emulatedNeeds, figuresOn } from '../support/emulated.js'
import { declare } from '../support/over.js'

let program = ''

test.before(async (t) => {
  t.timeout(600_000)
  program = await buildEmulator()
})

const rttMs = 50
const seconds = 6

/** Least goodput over that of CUBIC: its own is 92, 1 and 0.3 Mbit/s. */
const floors = [
  { lossPercent: 0, least: 0.6 },
  { lossPercent: 5, least: 15 },
  { lossPercent: 20, least: 20 },
]

for (const { lossPercent, least } of floors) {
  declare(
    `at ${rttMs} ms and ${lossPercent} % loss quic and kcp move at least ${least} of what CUBIC moves`,
    async (t) => {
      const goodputOf = async (name: string) =>
        (await figuresOn(t, program, name, { rttMs, lossPercent, seconds }))?.goodput
      const cubic = await goodputOf('tcp cubic')
      for (const name of ['petrel quic', 'petrel kcp']) {
        const ours = await goodputOf(name)
        if (cubic === undefined || ours === undefined) t.pass()
        else t.true(ours >= least * cubic, `${name} ${ours.toFixed(1)} Mbit/s, CUBIC ${cubic.toFixed(1)}`)
      }
    },
    { ...emulatedNeeds, timeoutMs: 120_000 },
  )
}
