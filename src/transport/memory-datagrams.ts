// Datagrams of the memory transport: a bounded queue of whole payloads, the oldest dropped first.

import { limits } from '../base/limits.js'
import { AsyncQueue, Fifo } from '../base/queue.js'
import type { Datagrams } from './transport.js'

export class MemoryDatagrams implements Datagrams {
  readonly maxBytes = limits.memory.datagramBytes
  /** The other end. */
  peer: MemoryDatagrams | undefined
  #mostBytes: number
  readonly #lose: (() => boolean) | undefined
  readonly #waiting = new Fifo<Uint8Array>()
  #waitingBytes = 0
  /** One entry when a reader has something to take. */
  readonly #bell = new AsyncQueue<true>(1)
  #ended = false

  constructor(mostBytes: number, lose?: () => boolean) {
    this.#mostBytes = mostBytes
    this.#lose = lose
  }

  raise(mostBytes: number): void {
    this.#mostBytes = Math.max(mostBytes, this.#mostBytes)
  }

  send(payload: Uint8Array): boolean {
    if (this.#ended || payload.length > this.maxBytes) return false
    if (this.#lose?.() !== true) this.peer?.arrive(Uint8Array.from(payload))
    return true
  }

  arrive(payload: Uint8Array): void {
    if (this.#ended || payload.length > this.#mostBytes) return
    this.#waiting.push(payload)
    this.#waitingBytes += payload.length
    while (this.#waitingBytes > this.#mostBytes) this.#waitingBytes -= this.#waiting.shift()!.length
    this.#bell.push(true)
  }

  end(): void {
    this.#ended = true
    this.#bell.end()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly Uint8Array[]> {
    for await (const _ of this.#bell) {
      const batch: Uint8Array[] = []
      for (let one = this.#waiting.shift(); one !== undefined; one = this.#waiting.shift()) batch.push(one)
      this.#waitingBytes = 0
      if (batch.length > 0) yield batch
    }
  }
}
