// Asks a silent peer for a sign of life and measures the round trip. Pure: the caller brings the time and the timer.
// Anything that arrives counts as life, so a long queue on a slow link does not end it.

import { limits } from '../../base/limits.js'

export interface KeepAliveTimes {
  /** How often the peer is asked, and how long it may then be silent. */
  readonly keepAliveMs: number
  readonly silenceMs: number
}

const recentSamples = 8

export class KeepAlive {
  rttMs: number | undefined
  minRttMs: number | undefined
  readonly #times: KeepAliveTimes
  #nextAskMs: number
  #heardMs: number
  #value = 0
  #due = true // the first one measures the round trip
  #askedMs: number | undefined
  #sentMs = 0
  readonly #recentMs: number[] = []

  constructor(nowMs: number, times: KeepAliveTimes = limits.yamux) {
    this.#times = times
    this.#heardMs = nowMs
    this.#askedMs = nowMs
    this.#nextAskMs = nowMs + times.keepAliveMs
  }

  /** The least of the last round trips: of the path as it is now, without what our own queues add. */
  get pathRttMs(): number | undefined {
    return this.#recentMs.length === 0 ? undefined : Math.min(...this.#recentMs)
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs
  }

  /** When timeout() wants to be called next. */
  get deadlineMs(): number {
    if (this.#askedMs === undefined) return this.#nextAskMs
    return Math.max(this.#askedMs, this.#heardMs) + this.#times.silenceMs
  }

  /** Call at the deadline. 'ask': transmit() has a ping to send. 'silent': the peer is gone. */
  timeout(nowMs: number): 'ask' | 'silent' | undefined {
    if (nowMs < this.deadlineMs) return undefined
    if (this.#askedMs !== undefined) return 'silent'
    this.#ask(nowMs)
    return 'ask'
  }

  /** While bytes flow windows want a fresh round trip, at most one every limits.yamux.measureMs. */
  measure(nowMs: number): void {
    if (this.#askedMs === undefined && nowMs - this.#sentMs >= limits.yamux.measureMs) this.#ask(nowMs)
  }

  #ask(nowMs: number): void {
    this.#askedMs = nowMs
    this.#due = true
    this.#value = (this.#value + 1) >>> 0
    this.#nextAskMs = nowMs + this.#times.keepAliveMs
  }

  /** The value of a ping to send now. Its deadline already runs: a carrier that takes nothing is silence as well. */
  toSend(nowMs: number): number | undefined {
    if (!this.#due) return undefined
    this.#due = false
    this.#sentMs = nowMs
    return this.#value
  }

  answered(value: number, nowMs: number): void {
    if (this.#askedMs === undefined || value !== this.#value || this.#due) return
    this.#askedMs = undefined
    this.rttMs = nowMs - this.#sentMs
    this.minRttMs = Math.min(this.rttMs, this.minRttMs ?? this.rttMs)
    if (this.#recentMs.push(this.rttMs) > recentSamples) this.#recentMs.shift()
  }
}
