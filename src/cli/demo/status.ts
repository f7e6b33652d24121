// The demo's status: one line that says how each link is doing.

import type { LinkStats } from '../../transport/transport.js'
import { formatRate } from '../figures.js'

export interface LinkSample {
  readonly transport: string
  /** Undefined: no link at this moment. */
  readonly stats: LinkStats | undefined
}

/** A share of fewer packets than these says nothing: an idle link sends a heartbeat now and then. */
const fewPackets = 10

interface Before {
  readonly atMs: number
  readonly sent: number
  readonly received: number
  readonly packets: number
}

/** Returns a function that says how each link is doing now; rates are those since its last call. */
export function linkStatus(now: () => number = () => performance.now()): (samples: readonly LinkSample[]) => string[] {
  const before = new Map<string, Before>()
  return (samples) => {
    const atMs = now()
    return samples.map(({ transport, stats }) => {
      if (stats === undefined) return `${transport}: no link`
      const last = before.get(transport)
      const { sentPackets: packets = 0 } = stats
      before.set(transport, { atMs, sent: stats.sentBytes, received: stats.receivedBytes, packets })
      // A new link counts from zero again.
      const seconds = last === undefined || stats.sentBytes < last.sent ? 0 : (atMs - last.atMs) / 1000
      const idle = packets - (last?.packets ?? packets) < fewPackets
      const rate = (bytes: number, earlier: number) => (seconds > 0 ? formatRate((bytes - earlier) / seconds) : '-')
      const parts = [
        `rtt ${stats.rttMs === undefined ? '-' : `${Math.round(stats.rttMs)} ms`}`,
        `loss ${stats.lossRatio === undefined || idle ? '-' : `${(stats.lossRatio * 100).toFixed(1)} %`}`,
        // The client's side: it sends what visitors load.
        `up ${rate(stats.sentBytes, last?.sent ?? 0)}`,
        `down ${rate(stats.receivedBytes, last?.received ?? 0)}`,
        `${stats.openStreams} streams`,
      ]
      return `${transport}: ${parts.join(', ')}`
    })
  }
}

/** All links on one line, or, where that is too long for it, one after the other, each for two turns. */
export function statusLine(links: readonly string[], columns: number, turn: number): string {
  const all = links.join(' | ')
  if (all.length <= columns) return all
  return (links[Math.floor(turn / 2) % links.length] ?? '').slice(0, columns)
}
