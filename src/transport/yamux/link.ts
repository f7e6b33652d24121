// A Link from any one byte stream: a TLS socket, a plain one, a pair in memory. Glue between the session, which is
// pure, and the carrier, the clock and Node's streams. At most one write is under way, so that what waits here is
// bounded and the next stream's turn comes soon.

import type { Duplex } from 'node:stream'
import { LinkEnd, PetrelError } from '../../base/errors.js'
import { Gathering } from '../../base/gathering.js'
import { limits } from '../../base/limits.js'
import { AsyncQueue } from '../../base/queue.js'
import { openAborted } from '../errors.js'
import type {
  Address,
  Datagrams,
  Link,
  LinkClosed,
  LinkLimits,
  LinkStats,
  PathSettings,
  Peer,
  TransportName,
} from '../transport.js'
import { Waiters } from '../waiters.js'
import type { Channel } from './channel.js'
import type { KeepAliveTimes } from './keep-alive.js'
import { Session } from './session.js'
import { type StreamOwner, YamuxStream } from './stream.js'

export interface LinkParts {
  /** Flowing bytes, errors and 'close' like a socket; keeps no chunk after its write callback. The link's from now on. */
  readonly carrier: Duplex
  readonly role: 'dialer' | 'listener'
  readonly transport: TransportName
  readonly remote: Address
  readonly peer: Peer
  readonly limits: LinkLimits
  /** The peer has yet to prove who it is. */
  readonly stranger: boolean
  readonly datagrams?: Datagrams
  readonly times?: KeepAliveTimes
  readonly unaccepted?: number
  /** The carrier's, for stats; and what was told of its path. */
  readonly congestionControl?: string | undefined
  readonly path?: PathSettings | undefined
  exportKey(label: string, context: Uint8Array, bytes: number): Uint8Array
  /** limits were raised: the peer is known. */
  raised?(limits: LinkLimits): void
}

// Buffers of limits.yamux.flushBytes that no write uses, shared by all links.
const spareBuffers: Buffer[] = []
const mostSpareBuffers = 16
/** What is smaller travels in a buffer of its own size. */
const smallFlushBytes = 4096

const nowMs = () => performance.now()

export class YamuxLink implements Link, StreamOwner {
  readonly role: 'dialer' | 'listener'
  readonly transport: TransportName
  readonly remote: Address
  readonly peer: Peer
  readonly datagrams: Datagrams | undefined
  readonly closed: Promise<LinkClosed>
  readonly #parts: LinkParts
  readonly #carrier: Duplex
  readonly #session: Session
  readonly #incoming = new AsyncQueue<YamuxStream>(limits.link.streamBacklog)
  readonly #streams = new Set<YamuxStream>()
  readonly #waiters = new Waiters<YamuxStream>()
  #settleClosed!: (closed: LinkClosed) => void
  #end: LinkClosed | undefined
  #goneAway: number | undefined
  #carrierError: Error | undefined
  #carrierClosed = false
  readonly #flushing = new Gathering(() => this.#flush())
  #writing = false
  #aliveTimer: NodeJS.Timeout
  #acknowledgeTimer: NodeJS.Timeout | undefined
  #closeTimer: NodeJS.Timeout | undefined

  constructor(parts: LinkParts) {
    this.#parts = parts
    this.role = parts.role
    this.transport = parts.transport
    this.remote = parts.remote
    this.peer = parts.peer
    this.datagrams = parts.datagrams
    this.#carrier = parts.carrier
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve
    })
    this.#session = new Session({
      role: parts.role,
      limits: parts.limits,
      stranger: parts.stranger,
      nowMs: nowMs(),
      ...(parts.times === undefined ? {} : { times: parts.times }),
      ...(parts.unaccepted === undefined ? {} : { unaccepted: parts.unaccepted }),
      events: {
        incoming: (channel) => this.#onIncoming(channel),
        openable: () => this.#waiters.serve(() => (this.#session.openable ? this.#open() : undefined)),
        goneAway: (code) => this.#onGoAway(code),
        wake: () => this.#schedule(),
      },
    })
    this.#aliveTimer = this.#armAlive()
    this.#carrier
      .on('data', (bytes: Buffer) => this.#onBytes(bytes))
      .on('end', () => this.#onCarrierEnd())
      .on('error', (error: Error) => {
        this.#carrierError = error
        this.#onCarrierEnd()
      })
      .on('close', () => this.#onCarrierClosed())
    this.#schedule()
  }

  [Symbol.asyncIterator](): AsyncIterator<YamuxStream> {
    const streams = this.#incoming[Symbol.asyncIterator]()
    return {
      next: async () => {
        for (;;) {
          const result = await streams.next()
          if (result.done === true) return result
          // One that the peer reset while it waited is nobody's any more.
          if (result.value.destroyed) continue
          this.#session.accept(result.value.channel)
          return result
        }
      },
      return: () => Promise.resolve({ value: undefined, done: true }),
    }
  }

  open(signal?: AbortSignal): Promise<YamuxStream> {
    if (signal?.aborted === true) return Promise.reject(openAborted())
    if (this.#end !== undefined) return Promise.reject(this.#lost(this.#end))
    if (this.#goneAway !== undefined) {
      return Promise.reject(new PetrelError('draining', 'peer', 'the peer is going away and takes no new streams'))
    }
    if (this.#waiters.size === 0 && this.#session.openable) return Promise.resolve(this.#open())
    return this.#waiters.wait(signal)
  }

  exportKey(label: string, context: Uint8Array, bytes: number): Uint8Array {
    return this.#parts.exportKey(label, context, bytes)
  }

  raiseLimits(to: LinkLimits): void {
    this.#session.raise(to)
    this.#parts.raised?.(to)
    this.#resume()
  }

  async close(reason = { code: LinkEnd.normal as number, reason: 'closed' }): Promise<void> {
    this.#finish({ by: 'us', ...reason })
    await this.closed
  }

  stats(): LinkStats {
    return {
      rttMs: this.#session.keepAlive.rttMs,
      minRttMs: this.#session.keepAlive.minRttMs,
      lossRatio: undefined,
      deliveryRate: undefined,
      cwndBytes: undefined,
      mtuBytes: undefined,
      sentBytes: this.#session.sentBytes,
      receivedBytes: this.#session.receivedBytes,
      sentPackets: undefined,
      lostPackets: undefined,
      openStreams: this.#session.openStreams,
      droppedDatagrams: undefined,
      congestionControl: this.#parts.congestionControl,
      profile: this.#parts.path?.profile.name,
      bandwidth: this.#parts.path?.bandwidth,
      bandwidthLimit: this.#parts.path?.bandwidthLimit,
    }
  }

  // ---- streams ----

  took(channel: Channel, bytes: number): void {
    this.#session.take(channel, bytes)
    this.#resume()
    if (this.#session.acknowledgementDue && this.#acknowledgeTimer === undefined && this.#end === undefined) {
      this.#acknowledgeTimer = setTimeout(() => {
        this.#acknowledgeTimer = undefined
        this.#session.acknowledge()
      }, limits.yamux.acknowledgeMs)
    }
  }

  gone(stream: YamuxStream): void {
    this.#streams.delete(stream)
    if (this.#end !== undefined) this.#settle()
  }

  #open(): YamuxStream {
    const stream = new YamuxStream(this.#session.open(), this.#session, this)
    this.#streams.add(stream)
    return stream
  }

  #onIncoming(channel: Channel): boolean {
    const stream = new YamuxStream(channel, this.#session, this)
    if (!this.#incoming.push(stream)) return false
    this.#streams.add(stream)
    return true
  }

  // ---- the carrier ----

  #onBytes(bytes: Buffer): void {
    if (this.#end !== undefined) return
    try {
      this.#session.receive(bytes, nowMs())
    } catch (error) {
      if (!(error instanceof PetrelError)) throw error
      this.#finish({ by: 'us', code: LinkEnd.protocol, reason: error.message })
      return
    }
    if (this.#session.congested) this.#carrier.pause()
  }

  #resume(): void {
    if (this.#carrier.isPaused() && !this.#session.congested) this.#carrier.resume()
  }

  #schedule(): void {
    if (!this.#writing) this.#flushing.soon()
  }

  /** Everything that was gathered in one write. */
  #flush(): void {
    if (this.#writing || this.#carrier.destroyed) return
    const buffer = spareBuffers.pop() ?? Buffer.allocUnsafeSlow(limits.yamux.flushBytes)
    const bytes = this.#session.transmit(buffer, nowMs())
    if (bytes === 0) {
      release(buffer)
      if (this.#end !== undefined) this.#carrier.end()
      return
    }
    this.#writing = true
    const small = bytes <= smallFlushBytes
    const chunk = small ? Buffer.from(buffer.subarray(0, bytes)) : buffer.subarray(0, bytes)
    if (small) release(buffer)
    this.#carrier.write(chunk, (error) => {
      this.#writing = false
      if (error != null) return
      if (!small) release(buffer)
      this.#flush()
    })
  }

  #armAlive(): NodeJS.Timeout {
    const waitMs = Math.max(1, this.#session.keepAlive.deadlineMs - nowMs())
    // When the process itself was held up, timers run first: what waits in the socket is read before we judge.
    return setTimeout(() => setImmediate(() => this.#checkAlive()), waitMs)
  }

  #checkAlive(): void {
    if (this.#end !== undefined) return
    if (this.#session.keepAlive.timeout(nowMs()) === 'silent') {
      this.#finish({ by: 'network', code: LinkEnd.idle, reason: 'the peer is silent' })
      return
    }
    this.#schedule()
    this.#aliveTimer = this.#armAlive()
  }

  // ---- the end ----

  #onGoAway(code: number): void {
    this.#goneAway ??= code
    // With code 0 (normal) the streams that stand may end in good order; the carrier's end is the link's.
    if (code !== LinkEnd.normal) this.#finish({ by: 'peer', code, reason: 'the peer closed the link' })
  }

  #onCarrierEnd(): void {
    if (this.#goneAway !== undefined) {
      this.#finish({ by: 'peer', code: this.#goneAway, reason: 'the peer closed the link' })
      return
    }
    const why = this.#carrierError === undefined ? 'it ended without a farewell' : this.#carrierError.message
    this.#finish({ by: 'network', code: LinkEnd.lost, reason: `the connection broke: ${why}` })
  }

  #onCarrierClosed(): void {
    this.#carrierClosed = true
    this.#onCarrierEnd()
    this.#settle()
  }

  #lost(end: LinkClosed): PetrelError {
    const text = `the link has ended (${end.by}, code ${end.code}): ${end.reason}`
    return end.by === 'us'
      ? new PetrelError('closed', 'us', text)
      : new PetrelError('link_lost', end.by === 'peer' ? 'peer' : 'network', text, { cause: this.#carrierError })
  }

  #finish(end: LinkClosed): void {
    if (this.#end !== undefined) return
    this.#end = end
    clearTimeout(this.#aliveTimer)
    clearTimeout(this.#acknowledgeTimer)
    this.#session.goAway(end.code)
    this.#incoming.end()
    const source = end.by === 'us' ? 'us' : end.by === 'peer' ? 'peer' : 'network'
    for (const stream of [...this.#streams]) {
      if (stream.channel.closed)
        this.#streams.delete(stream) // complete: its reader still gets every byte
      else stream.destroy(new PetrelError('link_lost', source, `the link ended under the stream: ${end.reason}`))
    }
    this.#waiters.fail(this.#lost(end))
    this.#letGo(end)
  }

  /** Says goodbye where it can be heard, reads on so that it is not drowned by a TCP reset, and lets go in time. */
  #letGo(end: LinkClosed): void {
    if (end.by === 'network') {
      this.#carrier.destroy()
      return
    }
    this.#carrier.resume()
    this.#closeTimer = setTimeout(() => this.#carrier.destroy(), limits.link.closeMs)
    this.#schedule()
  }

  #settle(): void {
    if (this.#end === undefined || !this.#carrierClosed || this.#streams.size > 0) return
    clearTimeout(this.#closeTimer)
    this.#settleClosed(this.#end)
  }
}

function release(buffer: Buffer): void {
  if (spareBuffers.length < mostSpareBuffers) spareBuffers.push(buffer)
}
