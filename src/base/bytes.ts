// A first-in first-out of bytes that holds its memory to about twice what it stores, however small the pieces come.

const smallestTailBytes = 512
const largestTailBytes = 64 * 1024

/** Bytes in order. Pieces go in whole and come out as they are or copied; nothing is copied twice. */
export class ByteQueue {
  #pieces: Uint8Array[] = []
  #head = 0
  #offset = 0 // bytes of the head piece that are already out
  #tail: Uint8Array | undefined // ours: the last piece is its beginning
  #tailUsed = 0
  #length = 0

  /** Bytes that wait. */
  get length(): number {
    return this.#length
  }

  /** Takes the piece as it is; the caller must not write to it any more. */
  push(piece: Uint8Array): void {
    if (piece.length === 0) return
    this.#tail = undefined
    this.#pieces.push(piece)
    this.#length += piece.length
  }

  /** Like push, but copies a piece that would keep more than twice its own size of memory alive. */
  pushCompact(piece: Uint8Array): void {
    if (piece.length * 2 >= piece.buffer.byteLength) {
      this.push(piece)
      return
    }
    for (let at = 0; at < piece.length; ) at += this.#append(piece, at)
  }

  #append(piece: Uint8Array, at: number): number {
    if (this.#tail === undefined || this.#tailUsed === this.#tail.length) {
      const grown = this.#tail === undefined ? smallestTailBytes : Math.min(this.#tail.length * 2, largestTailBytes)
      this.#tail = new Uint8Array(new ArrayBuffer(Math.max(grown, Math.min(piece.length - at, largestTailBytes))))
      this.#tailUsed = 0
    }
    const tail = this.#tail
    const bytes = Math.min(piece.length - at, tail.length - this.#tailUsed)
    tail.set(piece.subarray(at, at + bytes), this.#tailUsed)
    const extended = tail.subarray(0, this.#tailUsed + bytes)
    if (this.#tailUsed === 0) this.#pieces.push(extended)
    else this.#pieces[this.#pieces.length - 1] = extended
    this.#tailUsed += bytes
    this.#length += bytes
    return bytes
  }

  /** Takes out the oldest piece, whole. undefined: empty. The piece is the caller's. */
  shift(): Uint8Array | undefined {
    const head = this.#pieces[this.#head]
    if (head === undefined) return undefined
    const piece = this.#offset === 0 ? head : head.subarray(this.#offset)
    this.#drop()
    this.#length -= piece.length
    return piece
  }

  /** Moves up to `most` bytes into target from `at` on. Returns how many. */
  copyTo(target: Uint8Array, at: number, most: number): number {
    let done = 0
    while (done < most) {
      const head = this.#pieces[this.#head]
      if (head === undefined) break
      const bytes = Math.min(most - done, head.length - this.#offset)
      const whole = this.#offset === 0 && bytes === head.length
      target.set(whole ? head : head.subarray(this.#offset, this.#offset + bytes), at + done)
      done += bytes
      this.#offset += bytes
      if (this.#offset === head.length) this.#drop()
    }
    this.#length -= done
    return done
  }

  clear(): void {
    this.#pieces = []
    this.#head = 0
    this.#offset = 0
    this.#tail = undefined
    this.#length = 0
  }

  #drop(): void {
    this.#offset = 0
    this.#head++
    if (this.#head === this.#pieces.length) {
      this.#pieces = []
      this.#head = 0
      this.#tail = undefined
    } else if (this.#head >= 256 && this.#head * 2 >= this.#pieces.length) {
      this.#pieces = this.#pieces.slice(this.#head)
      this.#head = 0
    }
  }
}
