// A path that falls silent again and again under a tunnel that is busy both ways. How soon after each return of the path
// bytes come out of the tunnel again is measured at its two ends, where a visitor and a service would see it.

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { deferred } from './deferred.js'
import type { Moving } from './roaming.js'
import { tcpConnect, tcpServer } from './tcp.js'
import { startTwoProcesses } from './two-processes.js'

export interface Silences {
  readonly rttMs: number
  readonly times: number
  readonly onMs: number
  readonly offMs: number
  /** From the path's return to the next bytes, p100; the machine's own waits come on top. */
  readonly mostMs: number
}

/** What was on its way, and in the kernel's buffers, has come out by then. */
const settleMs = 1_000
/** The link would be dead. */
const deadMs = 20_000
const chunk = Buffer.alloc(64 * 1024, 7)
/** 3.2 MB a second each way: what the relay passes on beside everything else. */
const everyMs = 20

export async function silences(t: ExecutionContext, over: Moving, options: Silences): Promise<void> {
  const arrived = deferred<Socket>()
  const service = await tcpServer((socket) => arrived.resolve(socket))
  t.teardown(() => service.close())
  const { relay, ports } = await startTwoProcesses(t, over, [{ type: 'tcp', port: service.port }], options)
  const visitor = await tcpConnect(ports[0]!)
  t.teardown(() => void visitor.destroy())
  visitor.on('error', () => {})
  visitor.write('?')
  const ends = [visitor, await arrived.promise].map(talk)

  const lag = monitorEventLoopDelay({ resolution: 10 })
  lag.enable()
  const waits: number[] = []
  for (let time = 0; time < options.times; time++) {
    await delay(options.onMs)
    relay?.change({ lossPercent: 100 })
    await delay(settleMs)
    const before = ends.map((end) => end.bytes())
    await delay(options.offMs - settleMs)
    t.deepEqual(
      ends.map((end) => end.bytes()),
      before,
      'the path is silent',
    )
    const back = performance.now()
    relay?.change({ lossPercent: 0 })
    for (const moved of await Promise.all(ends.map((end) => end.next()))) waits.push(Math.round(moved - back))
  }
  lag.disable()
  const machineMs = Math.round(lag.max / 1e6)
  const p100 = Math.max(...waits)
  t.log(`${over}, ${options.rttMs} ms, ${options.times} times ${options.offMs} ms: p100 ${p100} ms`)
  t.log(`to the visitor and to the service: ${waits.join(', ')}; this machine let the test wait ${machineMs} ms`)
  t.true(p100 < options.mostMs + machineMs, `${p100} ms after the path was back`)
}

/** Writes all the time, and tells what comes. */
function talk(socket: Socket) {
  let bytes = 0
  socket.on('data', (data) => {
    bytes += data.length
  })
  const timer = setInterval(() => socket.writableNeedDrain || socket.write(chunk), everyMs)
  socket.on('close', () => clearInterval(timer))
  return {
    bytes: () => bytes,
    async next() {
      await once(socket, 'data', { signal: AbortSignal.timeout(deadMs) })
      return performance.now()
    },
  }
}
