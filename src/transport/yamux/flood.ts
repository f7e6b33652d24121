// Counts the frames of a peer that cost work and carry nothing, by the second. Pure: the caller brings the time.

import { limits } from '../../base/limits.js'
import { violation } from './frame.js'

export type FloodKind = keyof typeof limits.yamux.flood.authenticated

const secondMs = 1000

export class FloodGuard {
  #most: Readonly<Record<FloodKind, number>> = limits.yamux.flood.stranger
  #counts: Record<FloodKind, number> = { pings: 0, opens: 0, resets: 0, updates: 0, empties: 0 }
  #since = 0

  /** The peer has proved who it is: the wider bounds hold from now on. */
  trust(): void {
    this.#most = limits.yamux.flood.authenticated
  }

  /** Counts one frame. Throws protocol_violation when there were too many in this second. */
  count(kind: FloodKind, nowMs: number): void {
    if (nowMs - this.#since >= secondMs) {
      this.#since = nowMs
      this.#counts = { pings: 0, opens: 0, resets: 0, updates: 0, empties: 0 }
    }
    if (++this.#counts[kind] > this.#most[kind]) throw violation(`more than ${this.#most[kind]} ${kind} in a second`)
  }
}
