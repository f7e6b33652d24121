// Waits that end: by what was waited for, by a deadline or by the caller's AbortSignal.

import { PetrelError } from './errors.js'

/** Settles as the promise does, or rejects with `timeout` (naming `what`) after ms, or with `aborted`. The promise
 *  itself goes on; a late rejection of it is taken care of. */
export async function within<T>(promise: Promise<T>, ms: number, what: string, signal?: AbortSignal): Promise<T> {
  let end: (() => void) | undefined
  const limit = new Promise<never>((_, reject) => {
    const aborted = () => reject(new PetrelError('aborted', 'us', `${what}: aborted`, { cause: signal?.reason }))
    const timer = setTimeout(() => reject(new PetrelError('timeout', 'network', `${what}: nothing in ${ms} ms`)), ms)
    if (signal?.aborted) aborted()
    signal?.addEventListener('abort', aborted)
    end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', aborted)
    }
  })
  promise.catch(() => {})
  try {
    return await Promise.race([promise, limit])
  } finally {
    end?.()
  }
}

/** Resolves after ms, or at once when the signal fires. Never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    if (signal?.aborted) done()
    signal?.addEventListener('abort', done)
  })
}
