// Systems of `scripts/bench/lossy` on emulated links, for tests that compare them: in the same minute, so that only
// ratios count and what the machine does hits all alike.

import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { emulatorPath, type Settings, whyNoEmulator } from '../../scripts/bench/emulator.js'
import { Doubted, measure } from '../../scripts/bench/lossy-measure.js'
import type { Figures, Point } from '../../scripts/bench/lossy-points.js'
import { systems } from '../../scripts/bench/lossy-systems.js'
import { hasAddon } from '../../src/transport/native/binding.js'
import { testFolder } from '../config/folder.js'
import { whyNoNamespaces } from './namespaces.js'
import { type Needs, programPath } from './over.js'

const unless =
  whyNoEmulator() ||
  whyNoNamespaces() ||
  (programPath('cargo') === undefined ? 'cargo is not installed' : '') ||
  (hasAddon() ? '' : 'the addon is not built')

export const emulatedNeeds: Needs = { unless, serial: true, programs: ['ip', 'tee'] }

/** On a cold target folder this takes minutes; the crates come from the registry. */
export const buildEmulator = async (): Promise<string> => (unless === '' ? await emulatorPath() : '')

export interface EmulatedLink extends Point {
  readonly seconds: number
  /** What the link has besides. */
  readonly link?: Settings
  /** The kernel's TCP that goes over it as well. */
  readonly beside?: 'cubic' | 'bbr'
}

/** A stalled machine is not the link's fault: again. */
const attempts = 3

/** Of one system on a link of its own; undefined, and said aloud, where this machine stalls too much to have one.
 *  program: the emulator's. */
export async function figuresOn(
  t: ExecutionContext,
  program: string,
  name: string,
  { link, ...point }: EmulatedLink,
): Promise<Figures | undefined> {
  const folder = testFolder(t).path
  const stopped = new AbortController()
  t.teardown(() => stopped.abort())
  const system = systems().find((one) => one.name === name)!
  const more = link === undefined ? {} : { link: JSON.stringify(link) }
  const task = { ...point, ...more, system, round: 1, way: 'up' as const, program, signal: stopped.signal }
  for (let attempt = 1; attempt <= attempts; attempt++) {
    try {
      return await measure({ ...task, folder: join(folder, `${attempt}`) })
    } catch (error) {
      if (!(error instanceof Doubted)) throw error
      t.log(error.message)
    }
  }
  t.log('SKIP: this machine stalls too much to have a link')
  return undefined
}
