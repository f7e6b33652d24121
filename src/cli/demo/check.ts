// What `petrel demo --check` tries through each link: a page, a megabyte, an echo with half-close, datagrams.

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Address } from '../../transport/transport.js'
import { data, page } from './services.js'
import type { DemoLink } from './stage.js'

export interface CheckResult {
  readonly transport: string
  readonly what: string
  readonly tookMs: number
  /** Undefined: it went well. */
  readonly error: Error | undefined
}

/** What a check needs of a link: where its services are reached. */
export type CheckedLink = Pick<DemoLink, 'transport' | 'web' | 'tcp' | 'udp'>

type Check = (signal: AbortSignal) => Promise<void>

const deadlineMs = 30_000
/** Whoever sends a datagram may have to send it again: the link drops some, and nobody repeats them. */
const udpTries = 8
const udpWaitMs = 2_000
const udpSizes = [0, 5, 1200, 9000]

/** Runs the checks of one link after each other and tells each result as it comes. `stop` ends the one that runs, which
 *  then has no result, and no other starts. */
export async function checkLink(
  link: CheckedLink,
  stop: AbortSignal,
  tell: (result: CheckResult) => void,
): Promise<void> {
  const checks: readonly (readonly [string, Check])[] = [
    ['tcp: the web page', (signal) => fetchSame(link.web, '/', Buffer.from(page), signal)],
    ['tcp: 1 MiB', (signal) => fetchSame(link.web, '/data', data, signal)],
    [
      'tcp: echo of 256 KiB, the reply after half-close',
      (signal) => echoTcp(link.tcp, data.subarray(0, 262_144), signal),
    ],
    [`udp: echo of ${udpSizes.join(', ')} bytes`, (signal) => echoUdp(link.udp, signal)],
  ]
  for (const [what, check] of checks) {
    if (stop.aborted) return
    const started = performance.now()
    const error = await failure(check, stop)
    if (error !== undefined && stop.aborted) return
    tell({ transport: link.transport, what, tookMs: performance.now() - started, error })
  }
}

/** Runs one check until its end, its deadline or the stop. Not AbortSignal.any: in Node 20 one that holds a timeout can
 *  be collected as garbage before it fires. */
async function failure(check: Check, stop: AbortSignal): Promise<Error | undefined> {
  const over = new AbortController()
  const end = () => over.abort(stop.reason)
  const late = () => over.abort(new Error(`not done after ${deadlineMs} ms`))
  const timer = setTimeout(late, deadlineMs)
  stop.addEventListener('abort', end)
  try {
    await check(over.signal)
    return undefined
  } catch (error) {
    return error as Error
  } finally {
    clearTimeout(timer)
    stop.removeEventListener('abort', end)
  }
}

async function fetchSame({ host, port }: Address, path: string, expected: Buffer, signal: AbortSignal): Promise<void> {
  const response = await fetch(`http://${host}:${port}${path}`, { signal })
  same(Buffer.from(await response.arrayBuffer()), expected)
}

async function echoTcp(to: Address, payload: Buffer, signal: AbortSignal): Promise<void> {
  const socket = connect({ ...to, allowHalfOpen: true, signal })
  socket.end(payload)
  same(await buffer(socket), payload)
}

async function echoUdp(to: Address, signal: AbortSignal): Promise<void> {
  const socket = createSocket('udp4')
  try {
    socket.connect(to.port, to.host)
    await once(socket, 'connect', { signal })
    // A refused datagram is a lost one: it is sent again.
    socket.on('error', () => {})
    for (const [index, size] of udpSizes.entries()) await echoDatagram(socket, Buffer.alloc(size, index + 65), signal)
  } finally {
    socket.close()
  }
}

async function echoDatagram(socket: Socket, payload: Buffer, signal: AbortSignal): Promise<void> {
  for (let tries = 0; tries < udpTries; tries++) {
    signal.throwIfAborted()
    socket.send(payload)
    if (await heard(socket, payload, signal)) return
  }
  throw new Error(`no answer to ${udpTries} datagrams of ${payload.length} bytes`)
}

/** Whether this payload came back within udpWaitMs and before the abort; late answers to earlier ones are passed over. */
function heard(socket: Socket, payload: Buffer, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (answer: boolean) => {
      clearTimeout(timer)
      socket.off('message', listen)
      signal.removeEventListener('abort', giveUp)
      resolve(answer)
    }
    const listen = (received: Buffer) => received.equals(payload) && done(true)
    const giveUp = () => done(false)
    const timer = setTimeout(giveUp, udpWaitMs)
    socket.on('message', listen)
    signal.addEventListener('abort', giveUp)
  })
}

function same(received: Buffer, expected: Buffer): void {
  if (!received.equals(expected)) throw new Error(`${received.length} bytes came back, and not those that were sent`)
}
