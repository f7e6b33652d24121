// Datagrams of a native link: the addon queues them, both ways; here they become batches for one reader.

import type { Datagrams } from '../transport.js'
import type { Engine } from './engine.js'

/** One payload with its length fits, whatever it is. */
const batchBytes = 64 * 1024 + 2

export class NativeDatagrams implements Datagrams {
  readonly #engine: Engine
  readonly #link: number
  #maxBytes: number
  #waiter: ((result: IteratorResult<readonly Uint8Array[]>) => void) | undefined
  #ended = false

  constructor(engine: Engine, link: number) {
    this.#engine = engine
    this.#link = link
    this.#maxBytes = Math.max(0, engine.addon.maxDatagram(link))
  }

  get maxBytes(): number {
    const now = this.#engine.addon.maxDatagram(this.#link)
    if (now >= 0) this.#maxBytes = now
    return this.#maxBytes
  }

  send(payload: Uint8Array): boolean {
    this.#engine.goSoon()
    return !this.#ended && this.#engine.addon.sendDatagram(this.#link, payload)
  }

  [Symbol.asyncIterator](): AsyncIterator<readonly Uint8Array[]> {
    return {
      next: () => {
        const batch = this.#take()
        if (batch.length > 0) return Promise.resolve({ value: batch, done: false })
        if (this.#ended) return Promise.resolve({ value: undefined, done: true })
        return new Promise((resolve) => {
          this.#waiter = resolve
        })
      },
      return: () => Promise.resolve({ value: undefined, done: true }),
    }
  }

  onDatagrams(): void {
    if (this.#waiter === undefined) return
    const batch = this.#take()
    if (batch.length === 0) return
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter({ value: batch, done: false })
  }

  end(): void {
    this.#ended = true
    this.#waiter?.({ value: undefined, done: true })
    this.#waiter = undefined
  }

  #take(): Uint8Array[] {
    const filled = this.#engine.addon.readDatagrams(this.#link, scratch)
    const batch: Uint8Array[] = []
    // One copy for the whole batch, which the payloads share and the reader owns.
    const own = new Uint8Array(scratch.subarray(0, filled))
    for (let at = 0; at < filled; ) {
      const length = own[at]! | (own[at + 1]! << 8)
      batch.push(own.subarray(at + 2, at + 2 + length))
      at += 2 + length
    }
    return batch
  }
}

const scratch = new Uint8Array(batchBytes)
