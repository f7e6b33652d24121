// Waits between attempts: doubling, capped, jittered so that a thousand clients of a restarted server do not come
// back in one instant. Pure: chance is handed in.

export class Backoff {
  #next: number
  readonly #firstMs: number
  readonly #longestMs: number
  readonly #random: () => number

  /** random: 0 to 1, as Math.random. */
  constructor(firstMs: number, longestMs: number, random: () => number = Math.random) {
    this.#firstMs = firstMs
    this.#longestMs = longestMs
    this.#random = random
    this.#next = firstMs
  }

  /** Milliseconds to wait now: between half of the step and the step; the step doubles up to longestMs. */
  next(): number {
    const step = Math.min(this.#next, this.#longestMs)
    this.#next = Math.min(step * 2, this.#longestMs)
    return Math.round(step * (0.5 + this.#random() / 2))
  }

  reset(): void {
    this.#next = this.#firstMs
  }
}
