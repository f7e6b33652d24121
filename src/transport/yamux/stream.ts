// A channel of the session as a Node Duplex. Received bytes wait in a compact queue and enter Node's own buffer one
// piece at a time, so that what the reader has taken is known exactly.

import { Duplex } from 'node:stream'
import { ByteQueue } from '../../base/bytes.js'
import { PetrelError, StreamReset } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { resetByPeer } from '../errors.js'
import type { Stream } from '../transport.js'
import type { Channel, ChannelSink } from './channel.js'
import type { Session } from './session.js'

type Callback = (error?: Error | null) => void

/** An error that nobody listens for ends the stream, not the process. */
const ignore = () => {}

/** What the link does for its streams. */
export interface StreamOwner {
  /** The reader took bytes. */
  took(channel: Channel, bytes: number): void
  /** The stream has been destroyed. */
  gone(stream: YamuxStream): void
}

export class YamuxStream extends Duplex implements Stream, ChannelSink {
  readonly channel: Channel
  readonly #session: Session
  readonly #owner: StreamOwner
  readonly #waiting = new ByteQueue()
  /** Node asked for more and has got nothing since. */
  #wanted = false
  #pushed = 0
  #taken = 0
  #ended = false
  #resetCode: number = StreamReset.cancelled
  #written: Callback | undefined
  #finished: Callback | undefined

  constructor(channel: Channel, session: Session, owner: StreamOwner) {
    // A high-water mark of one byte makes Node ask again only when it holds nothing.
    super({ allowHalfOpen: true, readableHighWaterMark: 1, writableHighWaterMark: limits.link.highWaterBytes })
    this.channel = channel
    this.#session = session
    this.#owner = owner
    channel.sink = this
    this.on('error', ignore)
  }

  get acknowledged(): number {
    return this.channel.acknowledgedBytes
  }

  reset(code: number): void {
    this.#resetCode = code
    this.destroy()
  }

  // ---- what the session says ----

  onData(piece: Uint8Array): void {
    if (this.destroyed) {
      this.#owner.took(this.channel, piece.length)
      return
    }
    const atOnce = this.#waiting.length === 0 && this.readableLength === 0
    if (atOnce && (this.#wanted || this.readableFlowing === true)) this.#push(piece)
    else this.#waiting.pushCompact(piece)
  }

  onFin(): void {
    if (this.#waiting.length === 0) this.#end()
  }

  onReset(code: number): void {
    this.destroy(resetByPeer(code))
  }

  onShed(): void {
    const text = `${this.channel.window.unread} bytes wait unread and the link holds no more (limits.link.authenticated)`
    this.destroy(new PetrelError('limit_exceeded', 'us', `the stream was reset: ${text}`))
  }

  onDrained(): void {
    const written = this.#written
    this.#written = undefined
    written?.()
  }

  onFinished(): void {
    const finished = this.#finished
    this.#finished = undefined
    finished?.()
  }

  // ---- what Node says ----

  override read(size?: number): unknown {
    const chunk: unknown = super.read(size)
    this.#settle()
    return chunk
  }

  override _read(): void {
    const piece = this.#waiting.shift()
    if (piece !== undefined) {
      this.#push(piece)
      return
    }
    this.#wanted = true
    if (this.channel.finReceived) this.#end()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: Callback): void {
    this.#written = callback
    this.#session.send(this.channel, [chunk])
    if (chunk.length === 0) this.onDrained()
  }

  override _writev(chunks: { chunk: Uint8Array }[], callback: Callback): void {
    this.#written = callback
    this.#session.send(
      this.channel,
      chunks.map(({ chunk }) => chunk),
    )
    if (this.channel.pending.length === 0) this.onDrained()
  }

  override _final(callback: Callback): void {
    this.#finished = callback
    this.#session.finish(this.channel)
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#session.reset(this.channel, this.#resetCode)
    this.#waiting.clear()
    const unread = this.channel.window.unread
    if (unread > 0) this.#owner.took(this.channel, unread)
    this.#taken = this.channel.window.taken
    this.#owner.gone(this)
    callback(error)
  }

  #push(piece: Uint8Array): void {
    this.#wanted = false
    this.#pushed += piece.length
    this.push(piece)
    this.#settle()
    if (this.channel.finReceived && this.#waiting.length === 0) this.#end()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.push(null)
  }

  /** Tells the session what has left Node's buffer. */
  #settle(): void {
    const taken = this.#pushed - this.readableLength
    if (taken <= this.#taken) return
    const bytes = taken - this.#taken
    this.#taken = taken
    this.#owner.took(this.channel, bytes)
  }
}
