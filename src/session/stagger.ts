// Attempts that start one after the other and go on beside each other until the first of them succeeds (as RFC 8305, §5,
// has it for addresses). It knows nothing of links; the clock is its only I/O.

export interface Attempt<T> {
  /** How long after the one before it this starts; at once when one that is under way fails. */
  readonly afterMs: number
  /** Called again where the rules say so. The signal fires when the attempt is no longer wanted. */
  start(signal: AbortSignal): Promise<T>
}

/** What one attempt's error means: that the next starts at once (`never`: and this one never again), that no more are
 *  started and the outcome is that of those under way, or that all are given up. */
export type Verdict = 'next' | 'never' | 'wait' | 'end'

export interface Rules<T> {
  readonly signal: AbortSignal
  judge(error: unknown): Verdict
  /** Takes a success that came too late, for instance to close it. */
  tooLate(result: T): void
  /** While others are under way, one that failed is started again after so long, until so long after the beginning. */
  readonly again?: { readonly afterMs: number; readonly untilMs: number }
}

/** Resolves with the first success. Rejects with the error that was judged to end all, with the signal's reason, or with
 *  the last error when none is under way any more. Whatever is under way then is aborted and not waited for. */
export const firstOf = <T>(attempts: readonly Attempt<T>[], rules: Rules<T>): Promise<T> =>
  new Promise((resolve, reject) => new Stagger(attempts, rules, { resolve, reject }).begin())

interface Outcome<T> {
  resolve(result: T): void
  reject(error: unknown): void
}

class Stagger<T> {
  readonly #rules: Rules<T>
  readonly #outcome: Outcome<T>
  readonly #waiting: Attempt<T>[]
  readonly #attempts = new AbortController()
  readonly #beganMs = Date.now()
  #underWay = 0
  /** Until it is known that the outcome is with those under way. */
  #mayStart = true
  #step: NodeJS.Timeout | undefined
  readonly #again = new Set<NodeJS.Timeout>()

  constructor(attempts: readonly Attempt<T>[], rules: Rules<T>, outcome: Outcome<T>) {
    this.#waiting = [...attempts]
    this.#rules = rules
    this.#outcome = outcome
  }

  begin(): void {
    const { signal } = this.#rules
    signal.addEventListener('abort', this.#onAbort)
    if (signal.aborted) this.#onAbort()
    else this.#startNext()
  }

  get #isOver(): boolean {
    return this.#attempts.signal.aborted
  }

  #startNext(): void {
    clearTimeout(this.#step)
    const attempt = this.#waiting.shift()
    if (attempt === undefined) return
    this.#start(attempt)
    const next = this.#waiting[0]
    if (next !== undefined) this.#step = setTimeout(() => this.#startNext(), next.afterMs)
  }

  #start(attempt: Attempt<T>): void {
    this.#underWay++
    attempt.start(this.#attempts.signal).then(
      (result) => this.#onSuccess(result),
      (error) => this.#onError(error, attempt),
    )
  }

  #startAgain(attempt: Attempt<T>): void {
    const { again } = this.#rules
    if (again === undefined || Date.now() - this.#beganMs >= again.untilMs) return
    const timer = setTimeout(() => {
      this.#again.delete(timer)
      this.#start(attempt)
    }, again.afterMs)
    this.#again.add(timer)
  }

  #onSuccess(result: T): void {
    if (this.#isOver) this.#rules.tooLate(result)
    else {
      this.#end()
      this.#outcome.resolve(result)
    }
  }

  #onError(error: unknown, attempt: Attempt<T>): void {
    this.#underWay--
    if (this.#isOver) return
    const verdict = this.#rules.judge(error)
    if (verdict === 'wait') this.#startNoMore()
    if (verdict === 'next' || verdict === 'never') this.#startNext()
    if (verdict === 'end' || this.#underWay === 0) this.#fail(error)
    else if (verdict === 'next' && this.#mayStart) this.#startAgain(attempt)
  }

  readonly #onAbort = (): void => this.#fail(this.#rules.signal.reason)

  #fail(error: unknown): void {
    this.#end()
    this.#outcome.reject(error)
  }

  #end(): void {
    this.#startNoMore()
    this.#rules.signal.removeEventListener('abort', this.#onAbort)
    this.#attempts.abort()
  }

  #startNoMore(): void {
    this.#mayStart = false
    this.#waiting.length = 0
    clearTimeout(this.#step)
    for (const timer of this.#again) clearTimeout(timer)
  }
}
