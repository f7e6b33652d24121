// The matrix of `scripts/bench/lossy` in short, over the real binaries: petrel beside the kernel's TCP with CUBIC in the same
// minute, so that only ratios count and what the machine does hits both.

import { join } from 'node:path'
import test from 'ava'
import { emulatorPath, whyNoEmulator } from '../../scripts/bench/emulator.js'
import { Doubted, measure } from '../../scripts/bench/lossy-measure.js'
import type { Figures } from '../../scripts/bench/lossy-points.js'
import { systems } from '../../scripts/bench/lossy-systems.js'
import { hasAddon } from '../../src/transport/native/binding.js'
import { testFolder } from '../config/folder.js'
import { whyNoNamespaces } from '../support/namespaces.js'
import { declare, programPath } from '../support/over.js'

const unless =
  whyNoEmulator() ||
  whyNoNamespaces() ||
  (programPath('cargo') === undefined ? 'cargo is not installed' : '') ||
  (hasAddon() ? '' : 'the addon is not built')
const needs = { unless, serial: true, timeoutMs: 120_000, programs: ['ip', 'tee'] }
let program = ''

test.before(async (t) => {
  // On a cold target folder; the crates come from the registry.
  t.timeout(600_000)
  if (unless === '') program = await emulatorPath()
})

const rttMs = 50
const seconds = 6
/** A stalled machine is not the link's fault: again. */
const attempts = 3

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
      const folder = testFolder(t).path
      const stopped = new AbortController()
      t.teardown(() => stopped.abort())
      const goodputOf = async (name: string): Promise<number | undefined> => {
        const system = systems().find((one) => one.name === name)!
        for (let attempt = 1; attempt <= attempts; attempt++) {
          const own = join(folder, `${name}-${attempt}`)
          const task = { rttMs, lossPercent, system, round: 1, seconds, way: 'up' as const, program, folder: own }
          const figures = await believed(() => measure({ ...task, signal: stopped.signal }), t.log)
          if (figures !== undefined) return figures.goodput
        }
        return undefined
      }
      const cubic = await goodputOf('tcp cubic')
      for (const name of ['petrel quic', 'petrel kcp']) {
        const ours = await goodputOf(name)
        if (cubic === undefined || ours === undefined) {
          t.log('SKIP: this machine stalls too much to have a link')
          t.pass()
          continue
        }
        t.true(ours >= least * cubic, `${name} ${ours.toFixed(1)} Mbit/s, CUBIC ${cubic.toFixed(1)}`)
      }
    },
    needs,
  )
}

async function believed(once: () => Promise<Figures>, log: (text: string) => void): Promise<Figures | undefined> {
  try {
    return await once()
  } catch (error) {
    if (!(error instanceof Doubted)) throw error
    log(error.message)
    return undefined
  }
}
