// Bytes of a TCP visitor through two processes to a service on this machine: petrel beside plain relays and other
// tunnels, all in one run, round by round, so that whatever the machine does hits every system alike.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { echo } from './exchange.js'
import { type Figure, figures, isTransfer, measure, type Sample, warmUpBytes } from './figures.js'
import { answers, builtProgram, Processes } from './processes.js'
import { writeBetween } from './readme.js'
import { doubts, goals, markdown, printTables, type Samples } from './report.js'
import { direct, type Running, type System, systems, yardstick } from './systems.js'

const usage = `usage: scripts/bench/loopback [options]
  --rounds N      how often each figure of each system is taken (default 5)
  --seconds S     how long each takes (default 1)
  --only NAMES    systems, separated by commas; ${yardstick} and ${direct} always run
  --figures NAMES ${figures.join(', ')}
  --json FILE     writes every sample there
  --readme FILE   writes the medians between its two lines "bench: loopback"
scripts/bench/peers builds rathole and frp. Exit code 1: the figures are not to be believed, and why.`

interface Options {
  readonly rounds: number
  readonly seconds: number
  readonly only: readonly string[]
  readonly figures: readonly Figure[]
  readonly json: string | undefined
  readonly readme: string | undefined
}

function parse(args: readonly string[]): Options | undefined {
  const text = { type: 'string' as const }
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: text,
      seconds: text,
      only: text,
      figures: text,
      json: text,
      readme: text,
      help: { type: 'boolean' },
    },
  })
  if (values.help) return undefined
  const list = (given: string | undefined, known: readonly string[], option: string) => {
    const names = given?.split(',').map((one) => one.trim()) ?? known
    const wrong = names.find((one) => !known.includes(one))
    if (wrong !== undefined) throw new Error(`--${option}: unknown "${wrong}"; known: ${known.join(', ')}`)
    return names
  }
  const number = (given: string | undefined, standard: number, option: string) => {
    const value = Number(given ?? standard)
    if (!(value > 0 && value <= 100)) throw new Error(`--${option}: ${given} is not a number from 0 to 100`)
    return value
  }
  const known = systems().map(({ name }) => name)
  return {
    rounds: Math.ceil(number(values.rounds, 5, 'rounds')),
    seconds: number(values.seconds, 1, 'seconds'),
    only: list(values.only, known, 'only'),
    figures: list(values.figures, figures, 'figures') as Figure[],
    json: values.json,
    readme: values.readme,
  }
}

/** Opening and closing runs through so much code that Node has compiled it all only after six seconds: a petrel that is new
 *  makes 1,000 connections in the first second and 2,300 in the seventh. */
const warmUpSeconds = (figure: Figure) => (figure === 'connect' ? 6 : 0.3)

/** Starts one system and waits until a byte comes back through it. */
async function startOne(system: System, processes: Processes, servicePort: number, folder: string): Promise<Running> {
  const own = join(folder, system.name.replace(' ', '-'))
  mkdirSync(own)
  try {
    const running = await system.start({ processes, servicePort, folder: own })
    await answers(running.port, echo)
    return running
  } catch (error) {
    throw new Error(`${system.name} does not start: ${error instanceof Error ? error.message : error}`)
  }
}

async function take(options: Options, chosen: readonly System[], visits: string, folder: string): Promise<Samples> {
  const processes = new Processes(folder)
  const stop = () => void processes.close().then(() => process.exit(130))
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  try {
    const service = await processes.listening('service', 'service.js', [])
    const load = { process: processes.fork('load.js'), visits }
    const running = new Map<System, Running>()
    for (const system of chosen) running.set(system, await startOne(system, processes, service.port, folder))
    const samples: Samples = Object.fromEntries(
      chosen.map(({ name }) => [name, Object.fromEntries(options.figures.map((figure) => [figure, []]))]),
    )
    const speeds = new Map<string, number>()
    const one = async (system: System, figure: Figure, seconds: number): Promise<Sample> => {
      const key = `${system.name} ${figure}`
      const at = running.get(system) as Running
      const bytesPerSecond = speeds.get(key) ?? warmUpBytes / seconds
      try {
        const sample = await measure(load, at, figure, seconds, bytesPerSecond)
        if (isTransfer(figure)) speeds.set(key, sample.rate * 1e6)
        return sample
      } catch (error) {
        throw new Error(`${system.name}, ${figure}: ${error instanceof Error ? error.message : error}`)
      }
    }
    // Round 0 warms up and finds out how much a second takes.
    for (let round = 0; round <= options.rounds; round++) {
      console.error(round === 0 ? 'warming up' : `round ${round} of ${options.rounds}`)
      for (const figure of options.figures) {
        // Another one begins each time, so that nobody always follows the same neighbour.
        for (let place = 0; place < chosen.length; place++) {
          const system = chosen[(place + round) % chosen.length] as System
          const sample = await one(system, figure, round > 0 ? options.seconds : warmUpSeconds(figure))
          if (round > 0) samples[system.name]?.[figure]?.push(sample)
        }
      }
    }
    return samples
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
    await processes.close()
  }
}

/** '' where it cannot be built, and why is said. */
async function buildVisits(): Promise<string> {
  try {
    return await builtProgram('visits')
  } catch (error) {
    console.error(`new connections are left out: ${error instanceof Error ? error.message : error}`)
    return ''
  }
}

/** Returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const given = parse(args)
  if (given === undefined) {
    console.log(usage)
    return 0
  }
  const wanted = systems().filter(({ name }) => [direct, yardstick, ...given.only].includes(name))
  const chosen = wanted.filter(({ missing }) => missing === undefined)
  const folder = mkdtempSync(join(tmpdir(), 'petrel-bench-'))
  try {
    const visits = given.figures.includes('connect') ? await buildVisits() : ''
    const figures = given.figures.filter((figure) => figure !== 'connect' || visits !== '')
    const options = { ...given, figures }
    const samples = await take(options, chosen, visits, folder)
    const machine = `${cpus().length} x ${cpus()[0]?.model.trim()}, Node ${process.versions.node}`
    console.log(`${machine}; ${options.rounds} rounds of ${options.seconds} s, interleaved\n`)
    for (const { name, note, missing } of wanted) console.log(`  ${name.padEnd(12)} ${missing ?? note}`)
    console.log(`\n${printTables(samples)}\n`)
    for (const text of goals(samples)) console.log(text)
    const wrong = doubts(samples)
    for (const text of wrong) console.log(`NOT TO BE BELIEVED  ${text}`)
    if (options.json !== undefined) {
      writeFileSync(
        options.json,
        `${JSON.stringify({ machine, date: new Date(), options, samples, doubts: wrong }, null, 1)}\n`,
      )
    }
    if (options.readme !== undefined && wrong.length === 0) {
      const notes = Object.fromEntries(wanted.map(({ name, note }) => [name, note]))
      const how = `Medians of ${options.rounds} rounds, ${machine}, all processes on this one machine:`
      writeBetween(options.readme, 'loopback', `${how}\n\n${markdown(samples, notes)}`)
    }
    return wrong.length === 0 ? 0 : 1
  } catch (error) {
    console.error(`the run failed: ${error instanceof Error ? error.message : error}`)
    return 1
  } finally {
    if (process.env.PETREL_BENCH_KEEP === undefined) rmSync(folder, { recursive: true, force: true })
  }
}
