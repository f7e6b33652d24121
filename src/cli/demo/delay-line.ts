// A first-in first-out queue that hands each item on a fixed time after it came: the wire of a slow link.
// Bounded in bytes; what does not fit is refused, and the caller decides whether that is a loss or a pause.

interface Waiting<T> {
  readonly item: T
  readonly bytes: number
  readonly dueMs: number
}

export class DelayLine<T> {
  delayMs: number
  readonly #maxBytes: number
  readonly #deliver: (item: T, bytes: number) => void
  #queue: Waiting<T>[] = []
  #head = 0
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(delayMs: number, maxBytes: number, deliver: (item: T, bytes: number) => void) {
    this.delayMs = delayMs
    this.#maxBytes = maxBytes
    this.#deliver = deliver
  }

  /** Bytes on their way. */
  get bytes(): number {
    return this.#bytes
  }

  /** false: refused, because maxBytes are already on their way. An empty line takes an item of any size. */
  push(item: T, bytes: number): boolean {
    if (this.#bytes > 0 && this.#bytes + bytes > this.#maxBytes) return false
    this.#queue.push({ item, bytes, dueMs: performance.now() + this.delayMs })
    this.#bytes += bytes
    this.#arm()
    return true
  }

  /** Forgets what is on its way. */
  clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#queue = []
    this.#head = 0
    this.#bytes = 0
  }

  #arm(): void {
    const next = this.#queue[this.#head]
    if (next === undefined || this.#timer !== undefined) return
    this.#timer = setTimeout(() => this.#run(), Math.max(0, next.dueMs - performance.now()))
  }

  #run(): void {
    this.#timer = undefined
    // Node's timers count whole milliseconds and may fire up to one early; half of one is not worth another turn.
    const now = performance.now() + 0.5
    for (let next = this.#queue[this.#head]; next !== undefined && next.dueMs <= now; next = this.#queue[this.#head]) {
      this.#head++
      this.#bytes -= next.bytes
      this.#deliver(next.item, next.bytes)
    }
    if (this.#head > 1024 || this.#head >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    this.#arm()
  }
}
