// What links and streams cost that do nothing: resident memory of two processes, before and after, for each transport.

import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { hasAddon } from '../../src/transport/native/binding.js'
import { doubts, goals, printCosts, type Weighing, type Weighings } from './memory-report.js'
import type { Answer, Meeting, Order, Weight } from './memory-side.js'
import { Processes } from './processes.js'

const transports = ['quic', 'kcp', 'tls'] as const
type Transport = (typeof transports)[number]

const usage = `usage: scripts/bench/memory [options]
  --rounds N    how often each transport is weighed, in new processes (default 3)
  --links N     idle links (default 1000)
  --streams N   idle streams, 1000 a link (default 10000)
  --only NAMES  transports, separated by commas: ${transports.join(', ')}
  --json FILE   writes every weight there
A link is one that only the handshake has used; a stream, one through which a byte went and came back. Counted is what
is resident, of each side's process alone: not what the system keeps for their sockets. The smallest of some readings,
each after a full collection of garbage. Exit code 1: the figures are not to be believed, and why.`

/** Links and a stream each before the first reading: whatever a process needs once. */
const warmUp = 64
const streamsPerLink = 1000
/** Between two readings with nothing new: more than a thousand handshakes take. */
const controlMs = 2_000
/** For an order: a thousand handshakes, or streams. */
const patienceMs = 120_000

interface Options {
  readonly rounds: number
  readonly links: number
  readonly streams: number
  readonly only: readonly Transport[]
  readonly json: string | undefined
}

function parse(args: readonly string[]): Options | undefined {
  const text = { type: 'string' as const }
  const options = {
    rounds: text,
    links: text,
    streams: text,
    only: text,
    json: text,
    help: { type: 'boolean' as const },
  }
  const { values } = parseArgs({ args: [...args], options })
  if (values.help) return undefined
  const number = (given: string | undefined, standard: number, option: string) => {
    const value = Number(given ?? standard)
    if (!(Number.isInteger(value) && value > 0)) throw new Error(`--${option}: ${given} is no number above 0`)
    return value
  }
  const only = values.only?.split(',') ?? transports
  const wrong = only.find((name) => !transports.some((known) => known === name))
  if (wrong !== undefined) throw new Error(`--only: unknown "${wrong}"; known: ${transports.join(', ')}`)
  const [rounds, links] = [number(values.rounds, 3, 'rounds'), number(values.links, 1000, 'links')]
  const streams = number(values.streams, 10_000, 'streams')
  if (streams > links * streamsPerLink) throw new Error(`--streams: ${links} links have ${streamsPerLink} each at most`)
  return { rounds, links, streams, only: only as Transport[], json: values.json }
}

/** Rejects when the order failed or nothing came in time. */
function give(side: ChildProcess, order: Order): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => onMessage({ error: 'not done in time' }), patienceMs)
    const onExit = () => onMessage({ error: 'the process ended' })
    const onMessage = (answer: Answer) => {
      clearTimeout(late)
      side.off('message', onMessage).off('exit', onExit)
      if (answer.error === undefined) resolve(answer)
      else reject(new Error(`${order.kind}: ${answer.error}`))
    }
    side.on('message', onMessage).on('exit', onExit)
    side.send(order)
  })
}

async function weigh(sides: readonly ChildProcess[]): Promise<Weight[]> {
  const answers = await Promise.all(sides.map((side) => give(side, { kind: 'weigh' })))
  return answers.map(({ weight }) => weight as Weight)
}

const side = 'memory-side.js'

/** The dialler's weighing and the listener's. */
async function weighOne(transport: Transport, { links, streams }: Options): Promise<Weighing[]> {
  const processes = new Processes(tmpdir())
  const stop = () => void processes.close().then(() => process.exit(130))
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  try {
    const [dialer, listener] = [processes.fork(side, ['--expose-gc']), processes.fork(side, ['--expose-gc'])]
    const sides = [dialer, listener]
    const to = (await give(listener, { kind: 'listen', transport })).meeting as Meeting
    await give(dialer, { kind: 'dial', transport, to, links: warmUp })
    await give(dialer, { kind: 'open', links: warmUp, streams: 1 })
    // Not counted: V8 gives back what the warm-up took, up to 7 MiB, only after some collections and a second.
    await weigh(sides)
    const before = await weigh(sides)
    await wait(controlMs)
    const control = await weigh(sides)
    await give(dialer, { kind: 'dial', transport, to, links })
    const withLinks = await weigh(sides)
    const carriers = Math.ceil(streams / streamsPerLink)
    await give(dialer, { kind: 'open', links: carriers, streams: Math.ceil(streams / carriers) })
    const withStreams = await weigh(sides)
    const weighings = [0, 1].map((at) => pick({ before, control, withLinks, withStreams }, at))
    for (const { control, withLinks } of weighings) {
      const came = withLinks.links - control.links
      if (came !== links) throw new Error(`${transport}: ${came} links instead of ${links}`)
    }
    return weighings
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
    await processes.close()
  }
}

function pick(weights: Record<keyof Weighing, Weight[]>, at: number): Weighing {
  const { before, control, withLinks, withStreams } = weights
  return { before: before[at]!, control: control[at]!, withLinks: withLinks[at]!, withStreams: withStreams[at]! }
}

async function take(options: Options): Promise<Weighings> {
  const weighings: Weighings = Object.fromEntries(options.only.map((name) => [name, { dialer: [], listener: [] }]))
  for (let round = 1; round <= options.rounds; round++) {
    for (const transport of options.only) {
      console.error(`round ${round} of ${options.rounds}: ${transport}`)
      const [dialer, listener] = await weighOne(transport, options)
      weighings[transport]?.dialer.push(dialer!)
      weighings[transport]?.listener.push(listener!)
    }
  }
  return weighings
}

/** Returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const options = parse(args)
  if (options === undefined) {
    console.log(usage)
    return 0
  }
  const only = options.only.filter((name) => name === 'tls' || hasAddon())
  try {
    const weighings = await take({ ...options, only })
    const { rounds, links, streams } = options
    console.log(`${rounds} rounds, ${links} links, ${streams} streams, Node ${process.versions.node}\n`)
    for (const name of options.only) if (!only.includes(name)) console.log(`  ${name}: the native addon is not there`)
    console.log(`${printCosts(weighings)}\n`)
    for (const text of goals(weighings)) console.log(text)
    const wrong = doubts(weighings)
    for (const text of wrong) console.log(`NOT TO BE BELIEVED  ${text}`)
    if (options.json !== undefined) {
      writeFileSync(
        options.json,
        `${JSON.stringify({ date: new Date(), options, weighings, doubts: wrong }, null, 1)}\n`,
      )
    }
    return wrong.length === 0 ? 0 : 1
  } catch (error) {
    console.error(`the run failed: ${error instanceof Error ? error.message : error}`)
    return 1
  }
}
