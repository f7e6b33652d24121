// Cuts a byte stream, in whatever pieces it comes, into frames: u16 length, then so many bytes. Holds at most one
// frame's bytes. Pure.

import { malformed } from './fields.js'
import { magic } from './messages.js'

export class Framer {
  #held: Buffer = Buffer.alloc(0)
  #wantsMagic: boolean
  readonly #mostBytes: number

  /** mostBytes: the longest frame that is taken. startsWithMagic: the first four bytes must be "GRT1". */
  constructor(mostBytes: number, startsWithMagic: boolean) {
    this.#mostBytes = mostBytes
    this.#wantsMagic = startsWithMagic
  }

  /** Yields each whole frame without its length: copies, the caller's. Throws protocol_violation. */
  *push(bytes: Uint8Array): Generator<Buffer> {
    this.#held = Buffer.concat([this.#held, bytes])
    if (this.#wantsMagic && !this.#takeMagic()) return
    while (this.#held.length >= 2) {
      const length = this.#held.readUInt16BE(0)
      if (length === 0 || length > this.#mostBytes) throw malformed(`a frame of ${length} bytes`)
      if (this.#held.length < 2 + length) return
      const frame = Buffer.from(this.#held.subarray(2, 2 + length))
      this.#held = this.#held.subarray(2 + length)
      yield frame
    }
  }

  /** Whether the stream ended between two frames. */
  get isEmpty(): boolean {
    return this.#held.length === 0
  }

  #takeMagic(): boolean {
    const seen = this.#held.subarray(0, magic.length)
    if (!seen.equals(magic.subarray(0, seen.length))) throw malformed('it does not begin with GRT1')
    if (seen.length < magic.length) return false
    this.#held = this.#held.subarray(magic.length)
    this.#wantsMagic = false
    return true
  }
}
