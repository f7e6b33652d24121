// Rates from two readings of a link's counters.

import type { PetrelStatus, SessionReport } from './document.js'

interface Reading {
  readonly atMs: number
  readonly sent: number
  readonly received: number
}

/** Returns a function that adds the rates since its last call; a link that is new has none yet. */
export function withRates(): (all: readonly PetrelStatus[]) => PetrelStatus[] {
  let before = new Map<string, Reading>()
  return (all) => {
    const now = new Map<string, Reading>()
    const told = all.map((status) => ({
      ...status,
      sessions: status.sessions.map((session) => {
        const key = `${status.pid} ${session.client ?? ''} ${session.since}`
        // The clock of the process that counts.
        const reading = { atMs: status.uptimeMs, sent: session.link.sentBytes, received: session.link.receivedBytes }
        now.set(key, reading)
        return withRate(session, before.get(key), reading)
      }),
    }))
    before = now
    return told
  }
}

function withRate(session: SessionReport, before: Reading | undefined, now: Reading): SessionReport {
  const seconds = before === undefined ? 0 : (now.atMs - before.atMs) / 1000
  if (before === undefined || seconds <= 0) return session
  const rate = (bytes: number, earlier: number) => Math.max(0, Math.round((bytes - earlier) / seconds))
  const sentRate = rate(now.sent, before.sent)
  const receivedRate = rate(now.received, before.received)
  return { ...session, link: { ...session.link, sentRate, receivedRate } }
}
