// Bounded queues: a plain first-in first-out, and one that a single reader iterates. No I/O, no clock.

/** First in, first out, without the cost that Array.shift has when long. */
export class Fifo<T> {
  #items: (T | undefined)[] = []
  #head = 0

  get length(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length) {
      this.#items = []
      this.#head = 0
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }

  clear(): void {
    this.#items = []
    this.#head = 0
  }
}

/** Items that one reader takes by `for await`. Leaving the loop leaves the rest for a later loop. */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #items = new Fifo<T>()
  readonly #waiters = new Fifo<(result: IteratorResult<T>) => void>()
  readonly #most: number
  #ended = false

  /** most: items that may wait; push() refuses one more. */
  constructor(most: number) {
    this.#most = most
  }

  get length(): number {
    return this.#items.length
  }

  /** false: the queue is full or has ended; the item stays the caller's. */
  push(item: T): boolean {
    if (this.#ended) return false
    const waiter = this.#waiters.shift()
    if (waiter !== undefined) {
      waiter({ value: item, done: false })
      return true
    }
    if (this.#items.length >= this.#most) return false
    this.#items.push(item)
    return true
  }

  /** Ends every loop. Returns what nobody took, so that the caller can end it. */
  end(): T[] {
    this.#ended = true
    for (let waiter = this.#waiters.shift(); waiter !== undefined; waiter = this.#waiters.shift()) {
      waiter({ value: undefined, done: true })
    }
    const rest: T[] = []
    for (let item = this.#items.shift(); item !== undefined; item = this.#items.shift()) rest.push(item)
    return rest
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: () => {
        const item = this.#items.shift()
        if (item !== undefined) return Promise.resolve({ value: item, done: false })
        if (this.#ended) return Promise.resolve({ value: undefined, done: true })
        return new Promise((resolve) => this.#waiters.push(resolve))
      },
      return: () => Promise.resolve({ value: undefined, done: true }),
    }
  }
}
