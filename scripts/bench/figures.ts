// What is measured of each system, one sample a round, and what a sample must hold to count.

import type { ChildProcess } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'
import type { Task } from './load.js'
import { cpuSeconds, outputOf } from './processes.js'
import type { Running } from './systems.js'

export const figures = ['download 1', 'download 8', 'upload 1', 'upload 8', 'connect', 'ping'] as const
export type Figure = (typeof figures)[number]

/** One figure of one system in one round. */
export interface Sample {
  /** MB/s (10^6 bytes), connections a second, or pings a second. */
  readonly rate: number
  /** download, upload: seconds of processor time for 10^9 bytes, both processes of the system together. */
  readonly cpuPerGB?: number
  /** connect, ping: microseconds of processor time for one, both processes of the system together. */
  readonly cpuUs?: number
  /** connect, ping: microseconds. */
  readonly p50Us?: number
  readonly p99Us?: number
  /** connect, ping: how much later than asked a timer of an idle process fired meanwhile, ms: the machine's own stalls. */
  readonly stallP99Ms?: number
  readonly stallMaxMs?: number
}

/** Visitors at once (native/crates/visits). 16 left a quarter of two processors idle. */
export const visitors = 64
/** A transfer is at least so long, so that opening it does not count. */
const leastBytes = 8 * 1024 * 1024
const mostBytes = 8 * 1024 * 1024 * 1024
/** What is sent to learn how much a second takes. */
export const warmUpBytes = 64 * 1024 * 1024
/** How often the control timer fires, ms. */
const controlMs = 5

/** What a load generator saw: load.ts, and native/crates/visits as JSON. */
export interface Seen {
  readonly ms: number
  /** download, upload: bytes that arrived, checked. connect, ping: how many. */
  readonly count: number
  readonly errors: number
  /** The first error's text. */
  readonly error: string | undefined
  /** connect, ping: how long each took, microseconds, sorted. */
  readonly tookUs: readonly number[]
}

export const isTransfer = (figure: Figure) => figure.startsWith('download') || figure.startsWith('upload')

/** Who makes the load: the process of load.ts, and the path of petrel-visits for new connections. */
export interface Load {
  readonly process: ChildProcess
  readonly visits: string
}

/** bytesPerSecond: what this system did last, so that every sample takes about the same time. */
function task(figure: Exclude<Figure, 'connect'>, port: number, seconds: number, bytesPerSecond: number): Task {
  const [kind, count] = figure.split(' ') as [Task['kind'], string | undefined]
  const connections = Number(count ?? 1)
  const bytes = Math.min(mostBytes, Math.max(leastBytes, bytesPerSecond * seconds))
  const share = Math.ceil(bytes / connections)
  return { kind, port, connections, bytes: share * connections, ms: seconds * 1000 }
}

/** How long a load generator may take in all. */
const patience = (ms: number) => ms * 10 + 15_000

/** Rejects when the load generator gives no answer in time. */
function run(load: ChildProcess, work: Task): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const deadline = setTimeout(() => end(reject, new Error('no answer in time: something hangs')), patience(work.ms))
    const end = <T>(settle: (value: T) => void, value: T) => {
      clearTimeout(deadline)
      load.off('message', onMessage)
      settle(value)
    }
    const onMessage = (seen: Seen) => end(resolve, seen)
    load.on('message', onMessage)
    load.send(work)
  })
}

async function visit(program: string, port: number, ms: number): Promise<Seen> {
  return JSON.parse(await outputOf(program, [port, visitors, ms].map(String), patience(ms)))
}

/** Watches how late timers of this process fire, which does nothing meanwhile. */
function control(): () => { stallP99Ms: number; stallMaxMs: number } {
  const late: number[] = []
  const stop = new AbortController()
  const watch = async () => {
    for (;;) {
      const asked = performance.now()
      await wait(controlMs, undefined, { signal: stop.signal })
      late.push(performance.now() - asked - controlMs)
    }
  }
  watch().catch(() => undefined)
  return () => {
    stop.abort()
    late.sort((a, b) => a - b)
    return { stallP99Ms: quantile(late, 0.99), stallMaxMs: late.at(-1) ?? 0 }
  }
}

/** sorted: ascending. */
export const quantile = (sorted: readonly number[], part: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN

/** Throws when an error was seen or not exactly the bytes arrived that were asked for. bytesPerSecond: see `task`. */
export async function measure(
  load: Load,
  running: Running,
  figure: Figure,
  seconds: number,
  bytesPerSecond: number,
): Promise<Sample> {
  const work = figure === 'connect' ? undefined : task(figure, running.port, seconds, bytesPerSecond)
  const watched = isTransfer(figure) ? undefined : control()
  const cpuBefore = cpuSeconds(running.pids)
  const seen = await (work === undefined ? visit(load.visits, running.port, seconds * 1000) : run(load.process, work))
  const cpu = cpuSeconds(running.pids) - cpuBefore
  const stalls = watched?.()
  if (seen.errors > 0) throw new Error(`${seen.errors} errors, the first: ${seen.error}`)
  if (stalls === undefined) {
    if (seen.count !== work?.bytes) throw new Error(`asked for ${work?.bytes} bytes, received ${seen.count}`)
    const rate = seen.count / 1000 / seen.ms
    return running.pids.length === 0 ? { rate } : { rate, cpuPerGB: cpu / (seen.count / 1e9) }
  }
  if (seen.count === 0) throw new Error('nothing was measured')
  const rate = seen.count / (seen.ms / 1000)
  const cpuUs = running.pids.length === 0 ? {} : { cpuUs: (cpu / seen.count) * 1e6 }
  return { rate, ...cpuUs, p50Us: quantile(seen.tookUs, 0.5), p99Us: quantile(seen.tookUs, 0.99), ...stalls }
}
