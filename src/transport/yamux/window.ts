// The receiving half of one stream's flow control. A window grows while half of it is taken within one and a half
// round trips (then bandwidth times round trip is near it) by a reader that keeps up; a slow reader's never grows. On
// paths of less than two turns of the event loop the turns count: a window that is taken in one leaves the sender idle.

import { limits } from '../../base/limits.js'
import { initialWindowBytes } from './frame.js'

// A sender that its window holds up fills half of it in half a round trip, just after a growth in a whole one.
const growthRoundTrips = 1.5
/** Less is not worth a frame. */
const smallestGrowthBytes = initialWindowBytes / 4

export class ReceiveWindow {
  /** Bytes that the peer may have on the way or waiting here. */
  bytes = initialWindowBytes
  received = 0
  taken = 0
  #reported = 0
  #limit = initialWindowBytes
  /** Where the measuring of the reader's speed began. */
  #measuredTaken = 0
  #measuredAtMs = Number.NEGATIVE_INFINITY
  #mostUnread = 0

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
    if (this.unread > this.#mostUnread) this.#mostUnread = this.unread
    return this.received <= this.#limit
  }

  /** Counts bytes that the reader took. true: enough to be reported now. */
  take(bytes: number): boolean {
    this.taken += bytes
    return this.unreported >= Math.min(this.bytes / 2, limits.yamux.reportBytes)
  }

  /** The delta for a window update that reports everything taken. */
  report(): number {
    const delta = this.unreported
    this.#reported = this.taken
    this.#limit += delta
    return delta
  }

  /** How many bytes the window should grow by, 0 to budgetBytes; call before each report. */
  growth(nowMs: number, rttMs: number | undefined, budgetBytes: number): number {
    if ((this.taken - this.#measuredTaken) * 2 < this.bytes) return 0
    const tookMs = nowMs - this.#measuredAtMs
    this.#measuredTaken = this.taken
    this.#measuredAtMs = nowMs
    // A reader that fell behind in between gains nothing from more: it would only wait here.
    const keptUp = this.#mostUnread * 2 <= this.bytes
    this.#mostUnread = this.unread
    if (rttMs === undefined || !keptUp) return 0
    if (tookMs >= growthRoundTrips * Math.max(rttMs, limits.yamux.turnsMs)) return 0
    const more = Math.min(this.bytes, limits.link.streamWindowMaxBytes - this.bytes, budgetBytes)
    return more < smallestGrowthBytes ? 0 : Math.floor(more)
  }

  grow(bytes: number): void {
    this.bytes += bytes
    this.#limit += bytes
  }
}
