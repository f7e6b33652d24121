// One yamux session, pure: bytes and the time go in by receive(), bytes come out by transmit(), events go to sinks.
// No socket, no timer. Invariant: whenever something can be sent, events.wake() has been called since the last
// transmit() that returned 0. Source: hashicorp/yamux, spec.md. Longer than most files: the state machine is one thing.

import { StreamReset } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { Fifo } from '../../base/queue.js'
import type { LinkLimits } from '../transport.js'
import { Channel } from './channel.js'
import { FloodGuard } from './flood.js'
import { Flag, FrameType, type Header, headerBytes, readHeader, violation, writeHeader } from './frame.js'
import { KeepAlive, type KeepAliveTimes } from './keep-alive.js'

const largestWindow = 0xffff_ffff
const payloadBytes = limits.yamux.frameBytes - headerBytes
/** Too little room for a data frame worth its header; the next transmit() has more. */
const smallestRoomBytes = 1024

export interface SessionEvents {
  /** The peer opened a stream. Set its sink at once; false refuses it (too many wait). */
  incoming(channel: Channel): boolean
  /** open() may be called again. */
  openable(): void
  /** The peer says that it ends: LinkEnd code. */
  goneAway(code: number): void
  /** transmit() has something to send. */
  wake(): void
}

export interface SessionOptions {
  /** The dialler opens odd stream ids, the listener even ones. */
  readonly role: 'dialer' | 'listener'
  readonly limits: LinkLimits
  /** The peer has not proved who it is: tight flood bounds, and `congested` at creditBytes. */
  readonly stranger: boolean
  readonly events: SessionEvents
  readonly nowMs: number
  readonly times?: KeepAliveTimes
  /** Streams opened and not accepted by the peer; hashicorp/yamux takes 256. */
  readonly unaccepted?: number
}

export class Session {
  receivedBytes = 0
  sentBytes = 0
  readonly keepAlive: KeepAlive
  readonly #events: SessionEvents
  readonly #flood = new FloodGuard()
  readonly #channels = new Map<number, Channel>()
  /** Closed channels whose reader has not taken everything. */
  readonly #lingering = new Set<Channel>()
  readonly #peerParity: number
  readonly #mostUnaccepted: number
  #limits: LinkLimits
  #stranger: boolean
  #nextId: number
  #ours = 0
  #peers = 0
  #unaccepted = 0
  #unread = 0
  #windows = 0

  // Receiving: a cut header waits in #scratch, a cut payload in #left.
  readonly #header: Header = { type: 0, flags: 0, stream: 0, length: 0 }
  readonly #scratch = new Uint8Array(headerBytes)
  #scratched = 0
  #left = 0
  #target: Channel | undefined
  #ended = false

  // Sending: urgent channels first (openings, window updates, FINs), then data, one frame a turn.
  readonly #urgent = new Fifo<Channel>()
  readonly #ready = new Fifo<Channel>()
  readonly #resets = new Fifo<{ readonly id: number; readonly code: number }>()
  readonly #pongs = new Fifo<number>()
  #lazy: Channel[] = []
  #goAway: number | undefined

  constructor(options: SessionOptions) {
    this.#events = options.events
    this.#limits = options.limits
    this.#stranger = options.stranger
    if (!options.stranger) this.#flood.trust()
    this.#nextId = options.role === 'dialer' ? 1 : 2
    this.#peerParity = options.role === 'dialer' ? 0 : 1
    this.#mostUnaccepted = options.unaccepted ?? limits.yamux.unacceptedStreams
    this.keepAlive = new KeepAlive(options.nowMs, options.times)
  }

  /** Streams on which either side may still send. */
  get openStreams(): number {
    return this.#channels.size
  }

  /** A stranger's unread bytes reached its limit: read nothing more from the carrier until they are taken. */
  get congested(): boolean {
    return this.#stranger && this.#unread >= this.#limits.creditBytes
  }

  /** Bytes that wait for readers. */
  get unreadBytes(): number {
    return this.#unread
  }

  /** Taken bytes that the peer has not heard of: call acknowledge() within limits.yamux.acknowledgeMs. */
  get acknowledgementDue(): boolean {
    return this.#lazy.length > 0
  }

  raise(to: LinkLimits): void {
    this.#stranger = false
    this.#flood.trust()
    this.#limits = {
      streams: Math.max(to.streams, this.#limits.streams),
      creditBytes: Math.max(to.creditBytes, this.#limits.creditBytes),
      datagramBytes: Math.max(to.datagramBytes, this.#limits.datagramBytes),
    }
  }

  // ---- what the link's user does ----

  get openable(): boolean {
    const most = Math.max(this.#limits.streams, limits.link.authenticated.streams)
    return this.#ours < most && this.#unaccepted < this.#mostUnaccepted
  }

  /** Opens a stream; nothing is waited for. Only while `openable`. */
  open(): Channel {
    while (this.#channels.has(this.#nextId)) this.#nextId = this.#following(this.#nextId)
    const channel = new Channel(this.#nextId, true)
    this.#nextId = this.#following(this.#nextId)
    this.#ours++
    this.#unaccepted++
    this.#add(channel)
    this.#queueUrgent(channel)
    return channel
  }

  /** The id of the next stream opened here: for a session that goes on where 2^31 streams have been. */
  startIdsAt(id: number): void {
    this.#nextId = id
  }

  /** Ids start over after 2^31 streams; those in use are left out. */
  #following(id: number): number {
    return id + 2 <= 0xffff_ffff ? id + 2 : id % 2 === 1 ? 1 : 2
  }

  /** Tells the peer that a stream of its own is in good hands. */
  accept(channel: Channel): void {
    if (channel.closed) return
    channel.ackDue = true
    this.#queueUrgent(channel)
  }

  /** Takes bytes to send; onDrained follows. The bytes stay untouched by the caller until then. */
  send(channel: Channel, pieces: readonly Uint8Array[]): void {
    for (const piece of pieces) channel.pending.push(piece)
    if (channel.sendable) this.#queueReady(channel)
  }

  /** Half-closes after everything that was given to send(); onFinished follows. */
  finish(channel: Channel): void {
    channel.finDue = true
    if (channel.pending.length === 0) this.#queueUrgent(channel)
  }

  /** Ends both directions and tells the peer, unless the channel is closed or the peer never heard of it. */
  reset(channel: Channel, code: number): void {
    if (channel.closed) return
    if (!(channel.ours && channel.synDue)) this.#queueReset(channel.id, code)
    this.#close(channel)
  }

  /** The reader took so many bytes. */
  take(channel: Channel, bytes: number): void {
    this.#unread -= bytes
    const due = channel.window.take(bytes)
    if (channel.closed) {
      if (channel.window.unread === 0) this.#lingering.delete(channel)
      return
    }
    if (due && !channel.finReceived) {
      channel.reportDue = true
      this.#queueUrgent(channel)
    } else if (!channel.lazy) {
      channel.lazy = true
      this.#lazy.push(channel)
    }
  }

  /** Reports what readers took since the last report, so that the peer's `acknowledged` follows. */
  acknowledge(): void {
    const lazy = this.#lazy
    this.#lazy = []
    for (const channel of lazy) {
      channel.lazy = false
      if (channel.closed || channel.window.unreported === 0) continue
      channel.reportDue = true
      this.#queueUrgent(channel)
    }
  }

  /** The session says only this from now on. */
  goAway(code: number): void {
    this.#goAway = code
    this.#ended = true
    this.#urgent.clear()
    this.#ready.clear()
    this.#resets.clear()
    this.#pongs.clear()
    this.#events.wake()
  }

  // ---- bytes in ----

  /** Takes bytes as they come, cut anywhere. Throws protocol_violation; the session is then of no more use. */
  receive(bytes: Uint8Array, nowMs: number): void {
    this.receivedBytes += bytes.length
    this.keepAlive.heard(nowMs)
    let at = 0
    while (at < bytes.length && !this.#ended) {
      if (this.#left > 0) {
        const take = Math.min(this.#left, bytes.length - at)
        this.#left -= take
        this.#data(bytes.subarray(at, at + take))
        at += take
      } else if (this.#scratched === 0 && bytes.length - at >= headerBytes) {
        readHeader(bytes, at, this.#header)
        at += headerBytes
        this.#frame(nowMs)
      } else {
        const take = Math.min(headerBytes - this.#scratched, bytes.length - at)
        this.#scratch.set(bytes.subarray(at, at + take), this.#scratched)
        this.#scratched += take
        at += take
        if (this.#scratched < headerBytes) return
        this.#scratched = 0
        readHeader(this.#scratch, 0, this.#header)
        this.#frame(nowMs)
      }
    }
  }

  #frame(nowMs: number): void {
    const { type, flags, stream, length } = this.#header
    if (type === FrameType.ping) {
      this.#ping(flags, length, nowMs)
      return
    }
    if (type === FrameType.goAway) {
      this.#events.goneAway(length)
      return
    }
    if (stream === 0) throw violation('a stream frame with stream id 0')
    if (type === FrameType.windowUpdate) this.#flood.count('updates', nowMs)
    if (length === 0 && flags === 0) this.#flood.count('empties', nowMs)
    if (flags & Flag.syn) this.#incoming(stream, nowMs)
    const channel = this.#channels.get(stream)
    if (channel !== undefined && flags & Flag.ack) this.#accepted(channel)
    if (type === FrameType.windowUpdate) {
      if (channel !== undefined) this.#update(channel, flags, length, nowMs)
      return
    }
    // Without a channel the peer has not seen our reset yet: its bytes go nowhere.
    if (channel?.finReceived === true && length > 0) throw violation(`data after FIN on stream ${stream}`)
    this.#left = length
    this.#target = channel
    if (channel === undefined || (flags & (Flag.fin | Flag.rst)) === 0) return
    this.#last(channel, flags, length, nowMs)
  }

  /** A data frame that carries FIN or RST as well; the flag counts after the payload. */
  #last(channel: Channel, flags: number, length: number, nowMs: number): void {
    if (flags & Flag.rst) {
      this.#target = undefined
      this.#resetByPeer(channel, 0, nowMs)
    } else if (length === 0) this.#fin(channel)
    else channel.finAfterPayload = true
  }

  #ping(flags: number, value: number, nowMs: number): void {
    this.#flood.count('pings', nowMs)
    if ((flags & Flag.syn) === 0) {
      this.keepAlive.answered(value, nowMs)
      return
    }
    if (this.#pongs.length >= limits.yamux.queuedPongs) throw violation('pings come faster than answers leave')
    this.#pongs.push(value)
    this.#events.wake()
  }

  #incoming(id: number, nowMs: number): void {
    this.#flood.count('opens', nowMs)
    if (id % 2 !== this.#peerParity) throw violation(`stream id ${id} is ours to open`)
    if (this.#channels.has(id)) throw violation(`stream ${id} is open already`)
    if (this.#resets.length >= limits.yamux.queuedResets) throw violation('streams come faster than resets leave')
    if (this.#peers >= this.#limits.streams) {
      this.#queueReset(id, StreamReset.limit)
      return
    }
    const channel = new Channel(id, false)
    if (!this.#events.incoming(channel)) {
      this.#queueReset(id, StreamReset.limit)
      return
    }
    this.#peers++
    this.#add(channel)
  }

  #accepted(channel: Channel): void {
    if (!channel.unaccepted) return
    channel.unaccepted = false
    this.#unaccepted--
    this.#events.openable()
  }

  #update(channel: Channel, flags: number, delta: number, nowMs: number): void {
    if (flags & Flag.rst) {
      this.#resetByPeer(channel, delta, nowMs)
      return
    }
    channel.sendWindowBytes += delta
    if (channel.sendWindowBytes > largestWindow) throw violation(`the window of stream ${channel.id} exceeds 32 bits`)
    if ((flags & Flag.grow) === 0) {
      channel.acknowledgedBytes = Math.min(channel.acknowledgedBytes + delta, channel.sentBytes)
    }
    if (channel.sendable) this.#queueReady(channel)
    if (flags & Flag.fin) this.#fin(channel)
  }

  #data(piece: Uint8Array): void {
    const channel = this.#target
    if (channel === undefined) return
    if (channel.closed) {
      this.#target = undefined
      return
    }
    if (!channel.window.receive(piece.length)) throw violation(`stream ${channel.id} overran its window`)
    this.#unread += piece.length
    channel.sink.onData(piece)
    if (this.#left === 0 && channel.finAfterPayload) {
      channel.finAfterPayload = false
      if (!channel.closed) this.#fin(channel)
    }
    if (this.#unread > this.#limits.creditBytes && !this.#stranger) this.#shed()
  }

  #fin(channel: Channel): void {
    if (channel.finReceived) throw violation(`a second FIN on stream ${channel.id}`)
    channel.finReceived = true
    if (channel.finSent) this.#close(channel)
    channel.sink.onFin()
  }

  #resetByPeer(channel: Channel, code: number, nowMs: number): void {
    this.#flood.count('resets', nowMs)
    this.#close(channel)
    channel.sink.onReset(code)
  }

  /** More waits than the link may hold: the stream with the most unread bytes goes. Yamux cannot take windows back. */
  #shed(): void {
    let worst: Channel | undefined
    for (const channels of [this.#channels.values(), this.#lingering]) {
      for (const channel of channels) {
        if (worst === undefined || channel.window.unread > worst.window.unread) worst = channel
      }
    }
    if (worst === undefined) return
    this.reset(worst, StreamReset.limit)
    worst.sink.onShed()
  }

  // ---- bytes out ----

  /** Fills `into` with frames. Returns the bytes written; 0: nothing to send. */
  transmit(into: Uint8Array, nowMs: number): number {
    let at = this.#transmitUrgents(into, this.#transmitControl(into, nowMs), nowMs)
    while (into.length - at >= smallestRoomBytes) {
      const channel = this.#ready.shift()
      if (channel === undefined) break
      channel.ready = false
      if (!channel.closed && channel.sendable) at = this.#transmitData(channel, into, at)
    }
    at = this.#transmitUrgents(into, at, nowMs) // the FINs of what has just been sent
    this.sentBytes += at
    return at
  }

  #transmitUrgents(into: Uint8Array, from: number, nowMs: number): number {
    let at = from
    while (into.length - at >= 3 * headerBytes) {
      const channel = this.#urgent.shift()
      if (channel === undefined) break
      channel.urgent = false
      if (!channel.closed) at = this.#transmitUrgent(channel, into, at, nowMs)
    }
    return at
  }

  #transmitControl(into: Uint8Array, nowMs: number): number {
    let at = 0
    const put = (type: number, flags: number, stream: number, length: number) => {
      writeHeader(into, at, type, flags, stream, length)
      at += headerBytes
    }
    if (this.#goAway !== undefined) {
      put(FrameType.goAway, 0, 0, this.#goAway)
      this.#goAway = undefined
    }
    if (this.#ended) return at
    const ping = this.keepAlive.toSend(nowMs)
    if (ping !== undefined) put(FrameType.ping, Flag.syn, 0, ping)
    while (this.#pongs.length > 0 && into.length - at >= headerBytes)
      put(FrameType.ping, Flag.ack, 0, this.#pongs.shift()!)
    while (this.#resets.length > 0 && into.length - at >= headerBytes) {
      const { id, code } = this.#resets.shift()!
      put(FrameType.windowUpdate, Flag.rst, id, code)
    }
    return at
  }

  /** At most three headers: window growth, then report or opening, then FIN. */
  #transmitUrgent(channel: Channel, into: Uint8Array, from: number, nowMs: number): number {
    let at = from
    if (channel.reportDue && !channel.finReceived) {
      this.keepAlive.measure(nowMs)
      // Half of the link's credit, so that those who come later find room, and readers that stop cost no more.
      const budget = (this.#limits.creditBytes / 2 - this.#windows) / 2
      const growth = channel.window.growth(nowMs, this.keepAlive.pathRttMs, budget)
      if (growth > 0) {
        channel.window.grow(growth)
        this.#windows += growth
        at = this.#put(channel, into, at, Flag.grow, growth)
      }
    }
    const fin = channel.finDue && !channel.finSent && channel.pending.length === 0
    // A data frame can carry SYN and ACK as well; it follows in its turn.
    const opening = (channel.synDue || channel.ackDue) && !channel.ready
    if (channel.reportDue || opening || fin) {
      channel.reportDue = false
      at = this.#put(channel, into, at, fin ? Flag.fin : 0, channel.window.report())
    }
    if (fin) this.#finSent(channel)
    return at
  }

  #put(channel: Channel, into: Uint8Array, at: number, flags: number, delta: number): number {
    writeHeader(into, at, FrameType.windowUpdate, flags | this.#openingFlags(channel), channel.id, delta)
    return at + headerBytes
  }

  #openingFlags(channel: Channel): number {
    const flags = (channel.synDue ? Flag.syn : 0) | (channel.ackDue ? Flag.ack : 0)
    channel.synDue = false
    channel.ackDue = false
    return flags
  }

  #transmitData(channel: Channel, into: Uint8Array, at: number): number {
    const most = Math.min(payloadRoom(at, into.length), channel.sendWindowBytes)
    const bytes = channel.pending.copyTo(into, at + headerBytes, most)
    writeHeader(into, at, FrameType.data, this.#openingFlags(channel), channel.id, bytes)
    channel.sendWindowBytes -= bytes
    channel.sentBytes += bytes
    // Asked for more before the rest is cut, so that a flow of 64 KiB chunks is not a flow of frames with small tails.
    if (channel.pending.length < payloadBytes) channel.sink.onDrained()
    if (channel.finDue && channel.pending.length === 0) this.#queueUrgent(channel)
    if (channel.sendable) this.#queueReady(channel)
    return at + headerBytes + bytes
  }

  #finSent(channel: Channel): void {
    channel.finSent = true
    if (channel.finReceived) this.#close(channel)
    channel.sink.onFinished()
  }

  // ---- bookkeeping ----

  #add(channel: Channel): void {
    this.#channels.set(channel.id, channel)
    this.#windows += channel.window.bytes
  }

  #close(channel: Channel): void {
    channel.closed = true
    channel.pending.clear()
    this.#channels.delete(channel.id)
    this.#windows -= channel.window.bytes
    if (channel.window.unread > 0) this.#lingering.add(channel)
    if (!channel.ours) {
      this.#peers--
      return
    }
    this.#ours--
    if (channel.unaccepted) this.#unaccepted--
    this.#events.openable()
  }

  #queueUrgent(channel: Channel): void {
    if (channel.urgent || this.#ended) return
    channel.urgent = true
    this.#urgent.push(channel)
    this.#events.wake()
  }

  #queueReady(channel: Channel): void {
    if (channel.ready || this.#ended) return
    channel.ready = true
    this.#ready.push(channel)
    this.#events.wake()
  }

  #queueReset(id: number, code: number): void {
    if (this.#ended) return
    this.#resets.push({ id, code })
    this.#events.wake()
  }
}

/** How much a data frame at `at` may carry. Frames end where TLS cuts its records, so that they arrive uncut. */
function payloadRoom(at: number, end: number): number {
  const { frameBytes } = limits.yamux
  const toBoundary = frameBytes - (at % frameBytes)
  const room = toBoundary < smallestRoomBytes ? payloadBytes : toBoundary - headerBytes
  return Math.min(room, end - at - headerBytes)
}
