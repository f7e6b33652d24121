// A link's counters, read from the addon when asked for. The loss ratio is that of the last seconds between readings.

import type { LinkStats, PathSettings } from '../transport.js'
import type { Addon } from './binding.js'

/** Loss is counted from a reading this old or older. */
const windowMs = 5_000

interface Sample {
  readonly atMs: number
  readonly sent: number
  readonly lost: number
}

/** What the addon adds to LinkStats; sockets get what the system grants, which is often less than asked for. */
export interface NativeLinkStats extends LinkStats {
  readonly sendBufferBytes: number
  readonly receiveBufferBytes: number
  /** Promised to the peer and not used yet. */
  readonly grantedBytes: number
}

export class LinkCounters {
  readonly #addon: Addon
  readonly #link: number
  readonly #path: PathSettings
  readonly #numbers = new Float64Array(14)
  #old: Sample = { atMs: 0, sent: 0, lost: 0 }
  #recent: Sample = { atMs: performance.now(), sent: 0, lost: 0 }
  #last: NativeLinkStats | undefined

  constructor(addon: Addon, link: number, path: PathSettings) {
    this.#addon = addon
    this.#link = link
    this.#path = path
  }

  read(): NativeLinkStats {
    const n = this.#numbers
    // After the link's end the last numbers stay.
    if (!this.#addon.stats(this.#link, n) && this.#last !== undefined) return this.#last
    const [sent, lost] = [n[6]!, n[7]!]
    const atMs = performance.now()
    if (atMs - this.#recent.atMs > windowMs) {
      this.#old = this.#recent
      this.#recent = { atMs, sent, lost }
    }
    const packets = sent - this.#old.sent
    this.#last = {
      rttMs: n[0]!,
      minRttMs: n[1]!,
      lossRatio: packets <= 0 ? 0 : Math.min(1, Math.max(0, (lost - this.#old.lost) / packets)),
      deliveryRate: n[8] === 0 ? undefined : n[8]!,
      cwndBytes: n[2]!,
      mtuBytes: n[3]!,
      sentBytes: n[4]!,
      receivedBytes: n[5]!,
      sentPackets: sent,
      lostPackets: lost,
      openStreams: n[9]!,
      droppedDatagrams: n[11]!,
      congestionControl: undefined,
      profile: this.#path.profile.name,
      bandwidth: this.#path.bandwidth,
      bandwidthLimit: this.#path.bandwidthLimit,
      sendBufferBytes: n[12]!,
      receiveBufferBytes: n[13]!,
      grantedBytes: n[10]!,
    }
    return this.#last
  }

  /** Called before the link goes: later readings give these. */
  freeze(openStreams: number): void {
    this.#last = { ...this.read(), openStreams }
  }
}
