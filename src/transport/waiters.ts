// Callers of open() that wait until the peer allows another stream: first come, first served.

import { openAborted } from './errors.js'
import type { Stream } from './transport.js'

interface Waiter<S> {
  resolve(stream: S): void
  reject(error: Error): void
}

export class Waiters<S extends Stream> {
  readonly #waiting = new Set<Waiter<S>>()

  get size(): number {
    return this.#waiting.size
  }

  /** Settled by serve() or fail(); rejects with `aborted` when the signal fires, and leaves the queue at once. */
  wait(signal?: AbortSignal): Promise<S> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(waiter)
        signal?.removeEventListener('abort', onAbort)
      }
      const waiter: Waiter<S> = {
        resolve: (stream) => {
          leave()
          resolve(stream)
        },
        reject: (error) => {
          leave()
          reject(error)
        },
      }
      const onAbort = () => waiter.reject(openAborted())
      signal?.addEventListener('abort', onAbort)
      this.#waiting.add(waiter)
    })
  }

  /** open: called once for each that waits, until it returns undefined (none now). */
  serve(open: () => S | undefined): void {
    for (const waiter of this.#waiting) {
      const stream = open()
      if (stream === undefined) return
      waiter.resolve(stream)
    }
  }

  fail(error: Error): void {
    for (const waiter of this.#waiting) waiter.reject(error)
  }
}
