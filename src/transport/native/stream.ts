// A native stream as a Node Duplex. Readiness is edge-triggered: it reads until the addon has nothing, and writes until
// the addon takes nothing, then waits for an event. What has left Node's buffer is reported as taken.

import { Duplex } from 'node:stream'
import { PetrelError, StreamReset } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { resetByPeer } from '../errors.js'
import type { Stream } from '../transport.js'
import type { Engine } from './engine.js'

type Callback = (error?: Error | null) => void

/** Chunks that one stream takes in a turn before it lets others go on. */
const rounds = 16
/** Bytes that one stream writes in a turn; the addon can take them as fast as they come, so nothing else would stop. */
const turnBytes = 1024 * 1024

/** An error that nobody listens for ends the stream, not the process. */
const ignore = () => {}

/** What the addon reads into next. A reader gets it whole when it is at least half full, else a copy: a piece that waits
 *  keeps at most twice its size of memory alive. (Pieces cut from shared slabs kept the slab: 64 visitors that had
 *  stopped reading cost 50 MiB beyond what they held.) */
let scratch = Buffer.allocUnsafeSlow(limits.link.chunkBytes)

export class NativeStream extends Duplex implements Stream {
  readonly id: number
  readonly #engine: Engine
  readonly #link: number
  readonly #gone: (stream: NativeStream) => void
  #wanted = false
  #again: NodeJS.Immediate | undefined
  #pushed = 0
  #taken = 0
  #acknowledged = 0
  #resetCode: number = StreamReset.cancelled
  #unwritten: Uint8Array[] = []
  #writtenInTurn = 0
  #written: Callback | undefined
  #pause: NodeJS.Immediate | undefined

  /** gone: called once the stream has been destroyed. */
  constructor(engine: Engine, link: number, id: number, gone: (stream: NativeStream) => void) {
    super({
      allowHalfOpen: true,
      readableHighWaterMark: limits.link.chunkBytes,
      writableHighWaterMark: limits.link.highWaterBytes,
    })
    this.#engine = engine
    this.#link = link
    this.id = id
    this.#gone = gone
    this.on('error', ignore)
  }

  get acknowledged(): number {
    // -1 once the addon has forgotten the stream.
    this.#acknowledged = Math.max(this.#acknowledged, this.#engine.addon.acknowledged(this.#link, this.id))
    return this.#acknowledged
  }

  reset(code: number): void {
    this.#resetCode = code
    this.destroy()
  }

  // ---- what the link says ----

  onReadable(): void {
    if (this.#wanted) this.#pull()
  }

  onWritable(): void {
    this.#flush()
  }

  onReset(code: number, byPeer: boolean): void {
    this.destroy(
      byPeer
        ? resetByPeer(code)
        : new PetrelError('limit_exceeded', 'peer', 'the stream was reset: its peer sent more than its credit allows'),
    )
  }

  /** The link has ended. What came whole before that is still delivered. */
  onLinkEnd(error: PetrelError): void {
    if (!this.writableFinished || !this.#engine.addon.isComplete(this.#link, this.id)) {
      this.destroy(error)
      return
    }
    let piece = this.#read()
    while (piece !== undefined && piece !== null) {
      this.push(piece)
      piece = this.#read()
    }
    this.push(null)
  }

  // ---- what Node says ----

  override read(size?: number): unknown {
    const chunk: unknown = super.read(size)
    this.#settle()
    return chunk
  }

  override _read(): void {
    this.#wanted = true
    this.#pull()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: Callback): void {
    this.#unwritten = [chunk]
    this.#written = callback
    this.#flush()
  }

  override _writev(chunks: { chunk: Uint8Array }[], callback: Callback): void {
    const bytes = chunks.reduce((sum, { chunk }) => sum + chunk.length, 0)
    const pieces = chunks.map(({ chunk }) => chunk)
    // One call for many small chunks; large ones are not worth a copy.
    this.#unwritten = bytes <= limits.link.chunkBytes ? [Buffer.concat(pieces, bytes)] : pieces
    this.#written = callback
    this.#flush()
  }

  override _final(callback: Callback): void {
    this.#engine.goSoon()
    this.#engine.addon.finish(this.#link, this.id)
    callback()
  }

  override _destroy(error: Error | null, callback: Callback): void {
    clearImmediate(this.#again)
    clearImmediate(this.#pause)
    void this.acknowledged
    this.#engine.goSoon()
    const whole = error === null && this.readableEnded && this.writableFinished
    if (!whole) this.#engine.addon.reset(this.#link, this.id, this.#resetCode)
    this.#engine.addon.release(this.#link, this.id)
    this.#unwritten = []
    this.#written = undefined
    this.#gone(this)
    callback(error)
  }

  /** undefined: nothing now; null: the end. */
  #read(): Buffer | undefined | null {
    const n = this.#engine.addon.read(this.#link, this.id, scratch)
    if (n === 0) return undefined
    if (n < 0) return null
    this.#pushed += n
    const piece = scratch.subarray(0, n)
    if (n * 2 < scratch.length) return Buffer.from(piece)
    scratch = Buffer.allocUnsafeSlow(limits.link.chunkBytes)
    return piece
  }

  #pull(): void {
    this.#again = undefined
    for (let round = 0; round < rounds; round++) {
      if (this.destroyed) return
      const piece = this.#read()
      if (piece === undefined) return
      if (piece === null) {
        this.#wanted = false
        this.push(null)
        return
      }
      const more = this.push(piece)
      this.#settle()
      if (!more) {
        this.#wanted = false
        return
      }
    }
    this.#again ??= setImmediate(() => this.#pull())
  }

  #flush(): void {
    this.#engine.goSoon()
    while (this.#unwritten.length > 0) {
      const piece = this.#unwritten[0]!
      const n = piece.length === 0 ? 0 : this.#engine.addon.write(this.#link, this.id, piece)
      if (n < piece.length) {
        this.#unwritten[0] = piece.subarray(n)
        return
      }
      this.#unwritten.shift()
      this.#writtenInTurn += n
    }
    if (this.#writtenInTurn < turnBytes) this.#tellWritten()
    else this.#pause ??= setImmediate(() => this.#tellWritten())
  }

  #tellWritten(): void {
    if (this.#pause !== undefined) {
      this.#pause = undefined
      this.#writtenInTurn = 0
    }
    const written = this.#written
    this.#written = undefined
    written?.()
  }

  /** Tells the addon what has left Node's buffer. */
  #settle(): void {
    const taken = this.#pushed - this.readableLength
    if (taken <= this.#taken) return
    this.#taken = taken
    this.#engine.goSoon()
    this.#engine.addon.took(this.#link, this.id, taken)
  }
}
