// Cuts a byte stream, in whatever pieces it comes, into frames: u16 length, then so many bytes. Holds at most one
// frame's bytes. Pure.

import { malformed } from './fields.js'
import { magic } from './messages.js'

export class Framer {
  /** What is held of a frame. Pieces are joined when the next step can be done and no sooner: a peer that sends single
   *  bytes would have 16 KiB copied for each. */
  #pieces: Uint8Array[] = []
  #heldBytes = 0
  #wantedBytes = 1
  #wantsMagic: boolean
  readonly #mostBytes: number

  /** mostBytes: the longest frame that is taken. startsWithMagic: the first four bytes must be "GRT1". */
  constructor(mostBytes: number, startsWithMagic: boolean) {
    this.#mostBytes = mostBytes
    this.#wantsMagic = startsWithMagic
  }

  /** Yields each whole frame without its length: copies, the caller's. Throws protocol_violation. */
  *push(bytes: Uint8Array): Generator<Buffer> {
    this.#pieces.push(bytes)
    this.#heldBytes += bytes.length
    if (this.#heldBytes < this.#wantedBytes) return
    let held: Buffer = Buffer.concat(this.#pieces)
    if (this.#wantsMagic) held = this.#withoutMagic(held)
    for (let end = this.#hold(held); held.length >= end; ) {
      const frame = Buffer.from(held.subarray(2, end))
      held = held.subarray(end)
      end = this.#hold(held)
      yield frame
    }
  }

  /** Whether the stream ended between two frames. */
  get isEmpty(): boolean {
    return this.#heldBytes === 0
  }

  /** Keeps bytes for the next push. Returns where the frame that they begin with ends; infinite: not known yet. */
  #hold(bytes: Buffer): number {
    this.#pieces = [bytes]
    this.#heldBytes = bytes.length
    this.#wantedBytes = bytes.length + 1
    if (this.#wantsMagic || bytes.length < 2) return Number.POSITIVE_INFINITY
    const length = bytes.readUInt16BE(0)
    if (length === 0 || length > this.#mostBytes) throw malformed(`a frame of ${length} bytes`)
    this.#wantedBytes = 2 + length
    return 2 + length
  }

  #withoutMagic(bytes: Buffer): Buffer {
    const seen = bytes.subarray(0, magic.length)
    if (!seen.equals(magic.subarray(0, seen.length))) throw malformed('it does not begin with GRT1')
    if (seen.length < magic.length) return bytes
    this.#wantsMagic = false
    return bytes.subarray(magic.length)
  }
}
