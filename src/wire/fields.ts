// Fields of a message: big-endian numbers, fixed and length-prefixed bytes, UTF-8 text. Bounds are checked on both
// ways, so that no message can read outside of itself and none is built that could not be read.

import { PetrelError } from '../base/errors.js'
import { printable } from '../base/printable.js'

const text = new TextDecoder('utf-8', { fatal: true })

/** Reads one message from front to back. Every method throws protocol_violation where the bytes do not reach. */
export class FieldReader {
  #at = 0
  readonly #bytes: Uint8Array
  readonly #view: DataView

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2))
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  /** A view into the message, not a copy. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length)
    return this.#bytes.subarray(start, start + length)
  }

  /** u8 length, then text. */
  shortText(): string {
    return this.text(this.u8())
  }

  /** u16 length, then text. */
  longText(): string {
    return this.text(this.u16())
  }

  /** So many bytes of UTF-8, printable. */
  text(length: number): string {
    const bytes = this.bytes(length)
    try {
      return printable(text.decode(bytes))
    } catch (cause) {
      throw malformed('text that is not UTF-8', cause)
    }
  }

  /** Throws unless all has been read: a message has no tail. */
  end(): void {
    if (this.left > 0) throw malformed(`${this.left} bytes too many`)
  }

  #take(length: number): number {
    if (this.left < length) throw malformed(`${length} bytes wanted, ${this.left} left`)
    const start = this.#at
    this.#at += length
    return start
  }
}

/** Builds one message; fields come out in the order of the calls. */
export class FieldWriter {
  readonly #parts: Uint8Array[] = []

  u8(value: number): this {
    return this.#add(Uint8Array.of(value))
  }

  u16(value: number): this {
    return this.#add(Uint8Array.of(value >>> 8, value))
  }

  u32(value: number): this {
    return this.#add(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value))
  }

  bytes(value: Uint8Array): this {
    return this.#add(value)
  }

  /** At most 255 bytes of UTF-8; more throws internal. */
  shortText(value: string): this {
    const bytes = encoded(value, 255)
    return this.u8(bytes.length).#add(bytes)
  }

  /** At most 65,535 bytes of UTF-8; more throws internal. */
  longText(value: string): this {
    const bytes = encoded(value, 65_535)
    return this.u16(bytes.length).#add(bytes)
  }

  done(): Buffer {
    return Buffer.concat(this.#parts)
  }

  #add(bytes: Uint8Array): this {
    this.#parts.push(bytes)
    return this
  }
}

export const malformed = (what: string, cause?: unknown): PetrelError =>
  new PetrelError('protocol_violation', 'peer', `malformed message: ${what}`, { cause })

function encoded(value: string, most: number): Uint8Array {
  const bytes = Buffer.from(value, 'utf8')
  if (bytes.length > most)
    throw new PetrelError('internal', 'us', `a text of ${bytes.length} bytes, at most ${most} fit`)
  return bytes
}
