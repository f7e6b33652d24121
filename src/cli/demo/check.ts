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

const deadlineMs = 30_000
/** Whoever sends a datagram may have to send it again: the link drops some, and nobody repeats them. */
const udpTries = 8
const udpWaitMs = 2_000
const udpSizes = [0, 5, 1200, 9000]

/** Runs the checks of one link after each other and tells each result as it comes. */
export async function checkLink(link: DemoLink, tell: (result: CheckResult) => void): Promise<void> {
  const checks: readonly (readonly [string, (signal: AbortSignal) => Promise<void>])[] = [
    ['tcp: the web page', (signal) => fetchSame(link.web, '/', Buffer.from(page), signal)],
    ['tcp: 1 MiB', (signal) => fetchSame(link.web, '/data', data, signal)],
    [
      'tcp: echo of 256 KiB, the reply after half-close',
      (signal) => echoTcp(link.tcp, data.subarray(0, 262_144), signal),
    ],
    [`udp: echo of ${udpSizes.join(', ')} bytes`, (signal) => echoUdp(link.udp, signal)],
  ]
  for (const [what, check] of checks) {
    const started = performance.now()
    const error = await check(AbortSignal.timeout(deadlineMs)).then(
      () => undefined,
      (reason: Error) => reason,
    )
    tell({ transport: link.transport, what, tookMs: performance.now() - started, error })
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
    for (const [index, size] of udpSizes.entries()) await echoDatagram(socket, Buffer.alloc(size, index + 65), signal)
  } finally {
    socket.close()
  }
}

async function echoDatagram(socket: Socket, payload: Buffer, signal: AbortSignal): Promise<void> {
  for (let tries = 0; tries < udpTries; tries++) {
    socket.send(payload)
    if (await heard(socket, payload, signal)) return
  }
  throw new Error(`no answer to ${udpTries} datagrams of ${payload.length} bytes`)
}

/** Whether this payload came back within udpWaitMs; late answers to earlier ones are passed over. */
function heard(socket: Socket, payload: Buffer, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (answer: boolean) => {
      clearTimeout(timer)
      socket.off('message', listen)
      resolve(answer)
    }
    const listen = (received: Buffer) => received.equals(payload) && done(true)
    const timer = setTimeout(done, udpWaitMs, false)
    socket.on('message', listen)
    if (signal.aborted) done(false)
  })
}

function same(received: Buffer, expected: Buffer): void {
  if (!received.equals(expected)) throw new Error(`${received.length} bytes came back, and not those that were sent`)
}
