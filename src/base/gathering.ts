// What many calls ask for, done once for all of them: of this turn of the event loop, and of the next ones while each
// brings more. Who calls alone waits for one look at sockets that have nothing.

/** Turns, at most, that the first call waits for others. */
const mostTurns = 4

export class Gathering {
  readonly #act: () => void
  #isDue = false
  #hasMore = false
  #turns = 0

  constructor(act: () => void) {
    this.#act = act
  }

  soon(): void {
    this.#hasMore = true
    if (this.#isDue) return
    this.#isDue = true
    this.#turns = 0
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    if (this.#hasMore && ++this.#turns < mostTurns) {
      this.#hasMore = false
      setImmediate(this.#turn)
      return
    }
    this.#isDue = false
    this.#act()
  }
}
