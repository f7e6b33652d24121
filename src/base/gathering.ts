// What many calls ask for, done once for all of them: of this turn of the event loop, and of the next ones while each
// brings more, for a millisecond. Who calls alone waits for a turn more, which takes microseconds where nothing else is
// to be done.

/** Turns, at most, that the first call waits for others, and for how long. */
const mostTurns = 4
const mostMs = 1

export class Gathering {
  readonly #act: () => void
  #isDue = false
  #hasMore = false
  #turns = 0
  #since = 0

  constructor(act: () => void) {
    this.#act = act
  }

  soon(): void {
    this.#hasMore = true
    if (this.#isDue) return
    this.#isDue = true
    this.#turns = 0
    this.#since = performance.now()
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    if (this.#hasMore && ++this.#turns < mostTurns && performance.now() - this.#since < mostMs) {
      this.#hasMore = false
      setImmediate(this.#turn)
      return
    }
    this.#isDue = false
    this.#act()
  }
}
