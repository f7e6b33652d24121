// One measurement: a new link with new namespaces, one system on it, one visitor who moves bytes for some seconds.

import type { ChildProcess } from 'node:child_process'
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Counts, Emulator, type End, inside, type Settings, type WayCounts } from './emulator.js'
import { quantile } from './figures.js'
import { type Figures, type Point, rateMbit, seedOf, type Way } from './lossy-points.js'
import { type Running, type System, servicePort } from './lossy-systems.js'
import { cpuSeconds, Processes } from './processes.js'
import type { Answer, Bulk, Order } from './visitor.js'

export interface Task extends Point {
  readonly system: System
  readonly round: number
  readonly seconds: number
  readonly way: Way
  /** What the link has besides, as JSON. */
  readonly link?: string
  /** A transfer of the kernel's TCP with this congestion control goes over the same link at the same time. */
  readonly beside?: 'cubic' | 'bbr'
  /** The emulator's program. */
  readonly program: string
  /** A folder of this measurement's own. */
  readonly folder: string
  readonly signal: AbortSignal
}

/** The link itself was not as it was set: the figures are worth nothing, and trying again is worth it. */
export class Doubted extends Error {}

/** Beyond what an order asks for. */
const patienceMs = 60_000
/** Kernel TCP may keep as much on its way as any other: with the usual 6 MB it could not fill 600 ms. */
const tcpBytes = 64 * 1024 * 1024

/** Throws Doubted, or what did not work. */
export async function measure(task: Task): Promise<Figures> {
  mkdirSync(task.folder, { recursive: true })
  const processes = new Processes(task.folder)
  const emulator = await Emulator.start(task.program, seedOf(task, task.round))
  const onAbort = () => void processes.close()
  task.signal.addEventListener('abort', onAbort)
  try {
    await set(emulator, task)
    const visitor = processes.fork('visitor.js', [], inside(emulator.server))
    const running = await startSystem(task, emulator, processes, visitor)
    if (task.beside === undefined) return await take(task, emulator, visitor, running)
    const neighbour = processes.fork('visitor.js', [], inside(emulator.server))
    const place = { host: emulator.client.address, port: servicePort }
    await give(neighbour, { kind: 'answers', ...place })
    const [figures, theirs] = await Promise.all([
      take(task, emulator, visitor, running),
      give(neighbour, bulkOf(task, place)),
    ])
    return { ...figures, besideGoodput: mbit(theirs.bulk) }
  } finally {
    task.signal.removeEventListener('abort', onAbort)
    await processes.close()
    await emulator.stop()
  }
}

async function set(emulator: Emulator, { rttMs, lossPercent, system, link, beside }: Task): Promise<void> {
  const bytesPerMs = (rateMbit * 1e6) / 8 / 1000
  await emulator.set({
    rate_mbit: rateMbit,
    delay_ms: rttMs / 2,
    queue_bytes: Math.round(bytesPerMs * rttMs),
    loss: lossPercent / 100,
  })
  if (link !== undefined) await emulator.set(JSON.parse(link) as Settings)
  for (const end of [emulator.server, emulator.client]) {
    tune(end, 'tcp_rmem', `4096 131072 ${tcpBytes}`)
    tune(end, 'tcp_wmem', `4096 16384 ${tcpBytes}`)
    // By the route: the setting of a namespace takes only what the machine allows to everybody.
    const route = ['10.77.0.0/24', 'dev', 'cable', 'proto', 'kernel', 'scope', 'link', 'src', end.address]
    run(end, ['ip', 'route', 'replace', ...route, 'congctl', beside ?? system.congestion ?? 'cubic'])
  }
}

const tune = (end: End, name: string, value: string) => run(end, ['tee', `/proc/sys/net/ipv4/${name}`], value)

function run(end: End, line: readonly string[], input = ''): void {
  const [enter = '', ...rest] = [...inside(end), ...line]
  execFileSync(enter, rest, { input, stdio: ['pipe', 'ignore', 'pipe'] })
}

async function startSystem(
  task: Task,
  { server, client }: Emulator,
  processes: Processes,
  visitor: ChildProcess,
): Promise<Running> {
  // On every address: the kernel's own TCP is asked for at that of the namespace.
  await processes.listening('service', 'service.js', ['0.0.0.0', `${servicePort}`], inside(client))
  const accepts = async (host: string, port: number) => void (await give(visitor, { kind: 'accepts', host, port }))
  const folder = join(task.folder, 'system')
  const running = await task.system.start({ processes, folder, server, client, rttMs: task.rttMs, accepts })
  await give(visitor, { kind: 'answers', host: running.host, port: running.port })
  return running
}

type Address = Pick<Running, 'host' | 'port'>

const bulkOf = ({ seconds, way }: Task, { host, port }: Address) =>
  ({ kind: 'bulk', host, port, ms: seconds * 1000, fetches: way === 'up' }) as const

const mbit = (bulk: Bulk | undefined) => ((bulk?.bytes ?? 0) * 8) / (bulk?.ms ?? 1) / 1000

async function take(task: Task, emulator: Emulator, visitor: ChildProcess, running: Running) {
  const { pids } = running
  const before = await emulator.counts()
  await emulator.mark()
  const cpuBefore = cpuSeconds(pids)
  const { bulk } = await give(visitor, bulkOf(task, running))
  const cpu = cpuSeconds(pids) - cpuBefore
  const after = await emulator.counts()
  if (bulk === undefined) throw new Error('the visitor told nothing')
  if (after.doubts.length > 0) throw new Doubted(after.doubts.join('; '))
  const figures = figuresOf(bulk, before.ways[task.way], after.ways[task.way], after)
  return pids.length === 0 ? figures : { ...figures, cpuPerGB: cpu / (bulk.bytes / 1e9) }
}

function figuresOf(seen: Bulk, before: WayCounts, after: WayCounts, last: Counts): Figures {
  const since = (of: (counts: WayCounts) => number) => of(after) - of(before)
  return {
    goodput: mbit(seen),
    secondHalf: ((seen.bytes - seen.bytesAtHalf) * 8) / (seen.ms / 2) / 1000,
    wireRatio: since(arrivedOrDropped) / seen.bytes,
    overflow: since(({ queue }) => queue.bytes) / since(({ entered }) => entered.bytes),
    echoP50Ms: quantile(seen.echoUs, 0.5) / 1000,
    echoCount: seen.echoUs.length,
    silenceMs: seen.silenceMs,
    lateMs: last.late.p999_us / 1000,
    controlMs: last.control.p999_us / 1000,
    emulatorCpu: last.cpu_s / last.wall_s,
  }
}

/** Bytes that entered, without those that are still under way and that nobody can have received. */
const arrivedOrDropped = ({ delivered, queue, loss, outage, policer, mtu }: WayCounts) =>
  [delivered, queue, loss, outage, policer, mtu].reduce((sum, { bytes }) => sum + bytes, 0)

/** Rejects when the order failed, the process ended or nothing came in time. */
function give(visitor: ChildProcess, order: Order): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => onMessage({ error: 'no answer in time' }),
      patienceMs + ('ms' in order ? order.ms : 0),
    )
    const onExit = () => onMessage({ error: 'the visitor ended' })
    const onMessage = (answer: Answer) => {
      clearTimeout(late)
      visitor.off('message', onMessage).off('exit', onExit)
      if (answer.error === undefined) resolve(answer)
      else reject(new Error(answer.error))
    }
    visitor.on('message', onMessage).on('exit', onExit)
    visitor.send(order)
  })
}
