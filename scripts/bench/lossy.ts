// Bytes of a visitor through tunnels over links that lose packets: petrel beside the kernel's TCP and other tunnels. Each
// measurement has a link of its own; at each point every system has its turn before the next round or point begins, so that
// whatever the machine does hits all alike. It can be interrupted at any time and goes on where it was.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { emulatorPath, whyNoEmulator } from './emulator.js'
import { Doubted, measure } from './lossy-measure.js'
import { type LossyOptions, parse, usage } from './lossy-options.js'
import {
  type Figures,
  keep,
  keyOf,
  type Measurement,
  mend,
  readMeasurements,
  roundsOf,
  secondsOf,
} from './lossy-points.js'
import { writeReadme } from './lossy-readme.js'
import { circumstances, printTables } from './lossy-report.js'
import { type System, systems } from './lossy-systems.js'

/** A link that was not as it was set is set up again so often. */
const attempts = 3

type Turn = Omit<Measurement, 'figures' | 'error' | 'date'>

/** Everything that the options ask for, in the order in which it is measured. */
function turns({ points, rounds, seconds, way, link }: LossyOptions, chosen: readonly System[]): Turn[] {
  const machine = `${cpus().length} x ${cpus()[0]?.model.trim()}, Linux ${release()}, Node ${process.versions.node}`
  return points.flatMap((point) =>
    Array.from({ length: rounds ?? roundsOf(point) }, (_, index) => index + 1).flatMap((round) =>
      // Another one begins each time, so that nobody always follows the same neighbour.
      chosen.map((_, place) => {
        const { name, note } = chosen[(place + round) % chosen.length] as System
        return {
          ...point,
          system: name,
          round,
          seconds: seconds ?? secondsOf(point),
          way,
          ...(link === undefined ? {} : { link }),
          note,
          machine,
        }
      }),
    ),
  )
}

/** Measures what is missing in the results file. Returns the turns whose link was never as it was set, with the reason. */
async function take(options: LossyOptions, chosen: readonly System[], signal: AbortSignal): Promise<string[]> {
  const program = await emulatorPath()
  const folder = mkdtempSync(join(tmpdir(), 'petrel-lossy-'))
  mend(options.results)
  const there = new Set(readMeasurements(options.results).map(keyOf))
  const all = turns(options, chosen)
  const left = all.filter((turn) => !there.has(keyOf(turn)))
  console.error(`${left.length} of ${all.length} measurements to take, into ${options.results}`)
  const doubted: string[] = []
  try {
    for (const [index, turn] of left.entries()) {
      const system = chosen.find(({ name }) => name === turn.system) as System
      const title = `${index + 1}/${left.length}  ${turn.rttMs} ms, ${turn.lossPercent} %, round ${turn.round}, ${turn.system}`
      const one = { ...turn, system, program, signal, folder: join(folder, `${index}`) }
      const outcome = await attempt(() => measure(one))
      if (signal.aborted) break
      if (typeof outcome === 'string') {
        doubted.push(`${title}: ${outcome}`)
        console.error(`${title}: NOT TO BE BELIEVED  ${outcome}`)
        continue
      }
      keep(options.results, { ...turn, ...outcome, date: new Date().toISOString() })
      console.error(`${title}: ${outcome.figures === undefined ? outcome.error : brief(outcome.figures)}`)
    }
    return doubted
  } finally {
    if (process.env.PETREL_BENCH_KEEP === undefined) rmSync(folder, { recursive: true, force: true })
  }
}

/** Figures, or the error of a system that did not work, or (as text) why the link is not to be believed. */
async function attempt(
  once: () => Promise<Figures>,
): Promise<{ figures: Figures } | { figures?: never; error: string } | string> {
  let doubt = ''
  for (let tried = 0; tried < attempts; tried++) {
    try {
      return { figures: await once() }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      if (!(error instanceof Doubted)) return { error: message }
      doubt = message
    }
  }
  return doubt
}

const brief = (figures: Figures) =>
  [
    `${figures.goodput.toFixed(1)} Mbit/s (second half ${figures.secondHalf.toFixed(1)})`,
    `wire x${figures.wireRatio.toFixed(2)}`,
    `queue ${(figures.overflow * 100).toFixed(1)} %`,
    ...(figures.cpuPerGB === undefined ? [] : [`${figures.cpuPerGB.toFixed(1)} CPU s/GB`]),
    `echo ${figures.echoP50Ms.toFixed(0)} ms`,
    `silent ${figures.silenceMs.toFixed(0)} ms`,
    `late ${figures.lateMs.toFixed(1)} of ${figures.controlMs.toFixed(1)} ms, emulator ${(figures.emulatorCpu * 100).toFixed(0)} %`,
  ].join(', ')

/** Returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    return await obey(args)
  } catch (error) {
    console.error(`the run failed: ${error instanceof Error ? error.message : error}`)
    return 1
  }
}

async function obey(args: readonly string[]): Promise<number> {
  const known = systems()
  const options = parse(
    args,
    known.map(({ name }) => name),
  )
  if (options === undefined) {
    console.log(usage)
    return 0
  }
  const names = known.map(({ name }) => name)
  const wanted = known.filter(({ name }) => options.systems.includes(name))
  let doubted: string[] = []
  if (!options.reports) {
    const without = whyNoEmulator()
    if (without !== '') throw new Error(`there is no link to measure over: ${without}`)
    for (const { name, missing } of wanted)
      if (missing !== undefined) console.error(`  ${name.padEnd(14)} left out: ${missing}`)
    mkdirSync(dirname(options.results), { recursive: true })
    const interrupted = new AbortController()
    const stop = () => interrupted.abort()
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, stop)
    const chosen = wanted.filter(({ missing }) => missing === undefined)
    doubted = await take(options, chosen, interrupted.signal)
    if (interrupted.signal.aborted) {
      console.error('interrupted; the same command goes on from here')
      return 130
    }
  }
  const all = readMeasurements(options.results).filter(
    ({ way, link, system }) => way === options.way && link === options.link && options.systems.includes(system),
  )
  if (all.length === 0) throw new Error(`${options.results} holds no measurements of these`)
  console.log(`${circumstances(all)}\n\n${printTables(all, names)}\n`)
  for (const text of doubted) console.log(`NOT TO BE BELIEVED  ${text}`)
  if (options.readme !== undefined) writeReadme(options.readme, all, names)
  return doubted.length === 0 ? 0 : 1
}
