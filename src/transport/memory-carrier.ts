// Two Duplexes, each the other's far end, that behave as two ends of one TCP connection do: bytes are copied, a reader
// that pauses holds the writer, destroying one end breaks the other.

import { Duplex } from 'node:stream'

class PipeEnd extends Duplex {
  far!: PipeEnd
  readonly #dark: () => boolean
  #blocked: ((error?: Error | null) => void) | undefined

  constructor(dark: () => boolean) {
    super({ allowHalfOpen: true })
    this.#dark = dark
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.#dark()) {
      setImmediate(callback)
      return
    }
    // A turn of the event loop later, as over a socket; nothing arrives inside the writer's own call.
    const copy = Buffer.from(chunk)
    setImmediate(() => {
      if (this.far.destroyed) return callback(new Error('the other end is gone'))
      if (this.far.push(copy)) callback()
      else this.far.#blocked = callback
    })
  }

  override _read(): void {
    const blocked = this.#blocked
    this.#blocked = undefined
    blocked?.()
  }

  override _final(callback: () => void): void {
    if (!this.#dark()) setImmediate(() => this.far.push(null))
    callback()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const blocked = this.#blocked
    this.#blocked = undefined
    blocked?.()
    if (!this.#dark()) {
      setImmediate(() => {
        if (!this.far.readableEnded && !this.far.destroyed) this.far.destroy(new Error('the other end broke'))
      })
    }
    callback(error)
  }
}

/** dark: asked for every piece; true swallows it. */
export function carrierPair(dark: () => boolean): readonly [Duplex, Duplex] {
  const one = new PipeEnd(dark)
  const other = new PipeEnd(dark)
  one.far = other
  other.far = one
  return [one, other]
}
