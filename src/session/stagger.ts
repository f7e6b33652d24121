// Attempts that start one after the other and go on beside each other until the first of them succeeds (as RFC 8305, §5,
// has it for addresses). It knows nothing of links; the clock is its only I/O.

export interface Attempt<T> {
  /** How long after the one before it this starts; at once when one that is under way fails. */
  readonly afterMs: number
  /** The signal fires when the attempt is no longer wanted. */
  start(signal: AbortSignal): Promise<T>
}

/** What one attempt's error means for the others: start the next at once, start no more and wait for those under way, or
 *  give all of them up. */
export type Verdict = 'next' | 'wait' | 'end'

export interface Rules<T> {
  readonly signal: AbortSignal
  judge(error: unknown): Verdict
  /** Takes a success that came too late, for instance to close it. */
  tooLate(result: T): void
}

/** Resolves with the first success. Rejects with the error that was judged to end all, with the signal's reason, or with
 *  the last error when every attempt has failed. Whatever is under way then is aborted and not waited for. */
export function firstOf<T>(attempts: readonly Attempt<T>[], { signal, judge, tooLate }: Rules<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const waiting = [...attempts]
    const others = new AbortController()
    let underWay = 0
    let timer: NodeJS.Timeout | undefined
    const isOver = () => others.signal.aborted
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      others.abort()
    }
    const fail = (error: unknown) => {
      end()
      reject(error)
    }
    const onAbort = () => fail(signal.reason)
    const startNext = () => {
      clearTimeout(timer)
      const attempt = waiting.shift()
      if (attempt === undefined) return
      underWay++
      attempt.start(others.signal).then(onSuccess, onError)
      if (waiting[0] !== undefined) timer = setTimeout(startNext, waiting[0].afterMs)
    }
    const onSuccess = (result: T) => {
      if (isOver()) return tooLate(result)
      end()
      resolve(result)
    }
    const onError = (error: unknown) => {
      underWay--
      if (isOver()) return
      const verdict = judge(error)
      if (verdict === 'wait') {
        clearTimeout(timer)
        waiting.length = 0
      }
      if (verdict === 'next') startNext()
      if (verdict === 'end' || underWay === 0) fail(error)
    }
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    else startNext()
  })
}
