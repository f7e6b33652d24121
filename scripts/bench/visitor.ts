// A process of its own: one visitor who moves bytes in bulk for a while and beside it, on a second connection, has 100 bytes
// echoed over and over. Takes one order at a time over the channel to its parent and answers each.

import { connect, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { chunkBytes, count, download, echo, isRight, order, receiptBytes } from './exchange.js'
import { open } from './open.js'
import { send } from './send.js'

export type Order =
  /** Answered when something accepts there. */
  | { readonly kind: 'accepts'; readonly host: string; readonly port: number }
  /** Answered when a byte has come back from the service. */
  | { readonly kind: 'answers'; readonly host: string; readonly port: number }
  /** fetches: from the service to the visitor; else the other way. */
  | {
      readonly kind: 'bulk'
      readonly host: string
      readonly port: number
      readonly ms: number
      readonly fetches: boolean
    }

export interface Answer {
  readonly bulk?: Bulk
  readonly error?: string
}

export interface Bulk {
  readonly ms: number
  /** Received and checked: in all, and by the middle of the time. */
  readonly bytes: number
  readonly bytesAtHalf: number
  /** The longest time in which nothing arrived, from the first bytes to the end. */
  readonly silenceMs: number
  /** How long each echo took, microseconds, sorted. */
  readonly echoUs: readonly number[]
}

const echoBytes = 100
/** Between two echoes at least. */
const echoEveryMs = 20
/** More than moves in any run. */
const endless = 2 ** 40
/** For a system to be ready. */
const patienceMs = 30_000
/** For one attempt: some round trips on a bad link. */
const attemptMs = 8_000

async function eventually(host: string, port: number, hello: Buffer, event: 'connect' | 'data'): Promise<void> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const socket = connect({ host, port })
    const came = await new Promise<boolean>((resolve) => {
      setTimeout(resolve, attemptMs, false)
      socket.once('connect', () => socket.write(hello))
      socket.once(event, () => resolve(true))
      for (const end of ['error', 'close']) socket.on(end, () => resolve(false))
    })
    socket.destroy()
    if (came) return
    if (Date.now() > deadline) throw new Error(`${host}:${port} leads nowhere within ${patienceMs / 1000} s`)
    await wait(50)
  }
}

/** Rejects when the connection ends, which it must not before we say so. */
const broken = (socket: Socket, what: string) =>
  new Promise<never>((_resolve, reject) => {
    socket.once('error', (error) => reject(new Error(`${what}: ${error.message}`)))
    socket.once('end', () => reject(new Error(`${what}: the connection ended early`)))
    socket.once('close', () => reject(new Error(`${what}: the connection closed early`)))
  })

/** What arrived so far, and how long nothing did. */
class Arrivals {
  bytes = 0
  silenceMs = 0
  #at: number | undefined

  reached(bytes: number): void {
    if (bytes === this.bytes) return
    this.bytes = bytes
    this.look()
    this.#at = performance.now()
  }

  /** Counts the silence that lasts. */
  look(): void {
    if (this.#at !== undefined) this.silenceMs = Math.max(this.silenceMs, performance.now() - this.#at)
  }
}

async function bulk({ host, port, ms, fetches }: Order & { kind: 'bulk' }): Promise<Bulk> {
  const seen = new Arrivals()
  const started = performance.now()
  const carrier = fetches ? fetch(host, port, seen) : push(host, port, seen)
  const echoUs: number[] = []
  const echoes = startEcho(host, port, echoUs)
  const failed = [broken(carrier, 'bulk'), broken(echoes, 'echo')]
  try {
    await Promise.race([wait(ms / 2), ...failed])
    const bytesAtHalf = seen.bytes
    await Promise.race([wait(ms / 2), ...failed])
    seen.look()
    const { bytes, silenceMs } = seen
    return { ms: performance.now() - started, bytes, bytesAtHalf, silenceMs, echoUs: echoUs.sort((a, b) => a - b) }
  } finally {
    // The other one breaks now, and nobody listens.
    for (const one of failed) one.catch(() => {})
    for (const socket of [carrier, echoes]) socket.destroy()
  }
}

function fetch(host: string, port: number, seen: Arrivals): Socket {
  const take = (chunk: Uint8Array, length: number) => {
    if (!isRight(chunk, seen.bytes, length)) socket.destroy(new Error(`wrong bytes near ${seen.bytes}`))
    seen.reached(seen.bytes + length)
  }
  const socket = open(port, chunkBytes, take, host)
  socket.write(order(download, endless))
  return socket
}

function push(host: string, port: number, seen: Arrivals): Socket {
  let rest: Buffer = Buffer.alloc(0)
  const take = (chunk: Uint8Array, length: number) => {
    rest = Buffer.concat([rest, chunk.subarray(0, length)])
    const whole = rest.length - (rest.length % receiptBytes)
    if (whole > 0) seen.reached(Number(rest.readBigUInt64BE(whole - receiptBytes)))
    rest = rest.subarray(whole)
  }
  const socket = open(port, chunkBytes, take, host)
  socket.write(order(count, endless))
  send(socket, endless)
  return socket
}

function startEcho(host: string, port: number, tookUs: number[]): Socket {
  const message = Buffer.alloc(echoBytes, 1)
  let sentAt = 0
  let missing = 0
  const next = () => {
    if (socket.destroyed) return
    sentAt = performance.now()
    missing = echoBytes
    socket.write(message)
  }
  const take = (_chunk: Uint8Array, length: number) => {
    missing -= length
    if (missing > 0) return
    const tookMs = performance.now() - sentAt
    tookUs.push(tookMs * 1000)
    setTimeout(next, Math.max(0, echoEveryMs - tookMs))
  }
  const socket = open(port, echoBytes, take, host)
  socket.once('connect', () => {
    socket.write(Buffer.of(echo))
    next()
  })
  return socket
}

async function obey(given: Order): Promise<Answer> {
  if (given.kind === 'bulk') return { bulk: await bulk(given) }
  const [hello, event] =
    given.kind === 'accepts' ? [Buffer.alloc(0), 'connect' as const] : [Buffer.of(echo, 1), 'data' as const]
  await eventually(given.host, given.port, hello, event)
  return {}
}

process.on('message', (given: Order) => {
  obey(given)
    .catch((error): Answer => ({ error: error instanceof Error ? error.message : String(error) }))
    .then((answer) => process.send?.(answer))
})
process.once('disconnect', () => process.exit())
