// Each end asks the other from time to time whether it is still there, more often while streams are open, and gives
// the link up when a reply is overdue. Transports notice silence too; this also notices a peer that is stuck.

import { limits } from '../base/limits.js'

export class Heartbeat {
  #timer: NodeJS.Timeout | undefined
  #waiting = false
  readonly #isBusy: () => boolean
  readonly #ask: () => void
  readonly #dead: () => void

  /** isBusy: whether visitors' streams are open. ask: sends a heartbeat. dead: called once, when no reply came. */
  constructor(isBusy: () => boolean, ask: () => void, dead: () => void) {
    this.#isBusy = isBusy
    this.#ask = ask
    this.#dead = dead
    this.#schedule()
  }

  replied(): void {
    if (!this.#waiting) return
    this.#waiting = false
    this.#schedule()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  /** quietMs: since the last reply. Looks every busy interval, since the first visitor may come in any of them. */
  #schedule(quietMs = 0): void {
    clearTimeout(this.#timer)
    const { busyMs, idleMs } = limits.heartbeat
    this.#timer = setTimeout(() => {
      const now = quietMs + busyMs
      if (this.#isBusy() || now >= idleMs) this.#beat()
      else this.#schedule(now)
    }, busyMs)
  }

  #beat(): void {
    this.#waiting = true
    this.#timer = setTimeout(this.#dead, limits.heartbeat.replyMs)
    this.#ask()
  }
}
