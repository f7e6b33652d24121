// The receiving half of one stream's flow control. A window grows only when it was the window that held the sender up:
// the sender came to its end although the reader had taken nearly everything. That is where bandwidth times round trip
// exceeds the window, and it needs no clock; a slow reader's window never grows.

import { limits } from '../../base/limits.js'
import { initialWindowBytes } from './frame.js'

export class ReceiveWindow {
  /** Bytes that the peer may have on the way or waiting here. */
  bytes = initialWindowBytes
  received = 0
  taken = 0
  #reported = 0
  #limit = initialWindowBytes
  #exhausted = false

  /** Bytes that wait for the reader. */
  get unread(): number {
    return this.received - this.taken
  }

  /** Bytes that the reader took and the peer has not heard of. */
  get unreported(): number {
    return this.taken - this.#reported
  }

  /** Counts arriving bytes. false: the peer sent more than it may. */
  receive(bytes: number): boolean {
    this.received += bytes
    if (this.received === this.#limit) this.#exhausted = true
    return this.received <= this.#limit
  }

  /** Counts bytes that the reader took. true: half the window is due to be reported now. */
  take(bytes: number): boolean {
    this.taken += bytes
    return this.unreported * 2 >= this.bytes
  }

  /** The delta for a window update that reports everything taken. */
  report(): number {
    const delta = this.unreported
    this.#reported = this.taken
    this.#limit += delta
    return delta
  }

  /** How many bytes the window should grow by, 0 to budgetBytes; call when a report is due. */
  growth(budgetBytes: number): number {
    if (!this.#exhausted) return 0
    this.#exhausted = false
    if (this.unread * 4 > this.bytes) return 0
    return Math.max(0, Math.min(this.bytes, limits.link.streamWindowMaxBytes - this.bytes, budgetBytes))
  }

  grow(bytes: number): void {
    this.bytes += bytes
    this.#limit += bytes
  }
}
