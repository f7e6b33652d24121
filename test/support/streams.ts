// Streams without a link, for tests of what stands on streams: a pair in memory with credit, half-close and reset.

import { Duplex } from 'node:stream'
import { PetrelError, StreamReset } from '../../src/base/errors.js'
import type { Stream } from '../../src/transport/transport.js'

/** Two ends of one stream. windowBytes: how much may wait unread at an end before the other end's writes wait. */
export function streamPair(windowBytes = 256 * 1024): [MemoryStream, MemoryStream] {
  const a = new MemoryStream(windowBytes)
  const b = new MemoryStream(windowBytes)
  a.peer = b
  b.peer = a
  return [a, b]
}

export class MemoryStream extends Duplex implements Stream {
  acknowledged = 0
  peer!: MemoryStream
  private readonly queue: (Buffer | null)[] = []
  private queuedBytes = 0
  private wantsMore = false
  private writeWaits: (() => void) | undefined

  constructor(private readonly windowBytes: number) {
    super({ allowHalfOpen: true, readableHighWaterMark: 64 * 1024, writableHighWaterMark: 64 * 1024 })
    // As the streams of a link: an error that nobody listens for ends the stream, not the process.
    this.on('error', () => {})
  }

  /** Bytes that have left the writer and that this end's reader has not taken. */
  get waitingBytes(): number {
    return this.queuedBytes + this.readableLength
  }

  reset(code: number): void {
    if (this.destroyed) return
    const peer = this.peer
    this.destroy()
    if (!peer.destroyed) {
      peer.destroy(new PetrelError('stream_reset', 'peer', `stream reset with code ${code}`, { resetCode: code }))
    }
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.peer.receive(chunk)
    if (this.peer.queuedBytes < this.windowBytes) done()
    else this.writeWaits = done
  }

  override _final(done: () => void): void {
    this.peer.receive(null)
    done()
  }

  override _read(): void {
    this.wantsMore = true
    this.deliver()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const isWhole = this.readableEnded && this.writableFinished
    if (!isWhole && !this.peer.destroyed) {
      const code = StreamReset.cancelled
      const reset = new PetrelError('stream_reset', 'peer', 'stream cancelled', { resetCode: code })
      queueMicrotask(() => this.peer.destroy(reset))
    }
    done(error)
  }

  private receive(chunk: Buffer | null): void {
    this.queue.push(chunk)
    this.queuedBytes += chunk?.length ?? 0
    queueMicrotask(() => this.deliver())
  }

  private deliver(): void {
    while (this.wantsMore && this.queue.length > 0 && !this.destroyed) {
      const chunk = this.queue.shift()!
      this.queuedBytes -= chunk?.length ?? 0
      this.peer.acknowledged += chunk?.length ?? 0
      this.wantsMore = this.push(chunk)
    }
    if (this.queuedBytes >= this.windowBytes) return
    const goOn = this.peer.writeWaits
    this.peer.writeWaits = undefined
    goOn?.()
  }
}
