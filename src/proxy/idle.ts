// Finds connections and flows on which nothing moves: one coarse timer for each idle timeout in use, however many
// there are. Whoever is watched only has to count.

/** Calls onIdle once when moved() has kept its value for idleMs (up to an eighth longer). Returns what ends the watch. */
export function watchIdle(idleMs: number, moved: () => number, onIdle: () => void): () => void {
  const sweep = sweeps.get(idleMs) ?? new Sweep(idleMs)
  return sweep.add({ moved, onIdle, seen: moved(), quietTicks: 0 })
}

interface Watched {
  readonly moved: () => number
  readonly onIdle: () => void
  seen: number
  quietTicks: number
}

const sweeps = new Map<number, Sweep>()
const ticksPerTimeout = 8

class Sweep {
  private readonly watched = new Set<Watched>()
  private readonly timer: NodeJS.Timeout

  constructor(private readonly idleMs: number) {
    this.timer = setInterval(() => this.tick(), idleMs / ticksPerTimeout).unref()
    sweeps.set(idleMs, this)
  }

  add(entry: Watched): () => void {
    this.watched.add(entry)
    return () => {
      this.watched.delete(entry)
      if (this.watched.size > 0) return
      clearInterval(this.timer)
      if (sweeps.get(this.idleMs) === this) sweeps.delete(this.idleMs)
    }
  }

  private tick(): void {
    for (const entry of this.watched) {
      const now = entry.moved()
      entry.quietTicks = now === entry.seen ? entry.quietTicks + 1 : 0
      entry.seen = now
      // One tick more than the timeout has: the first one may come right after the last byte.
      if (entry.quietTicks <= ticksPerTimeout) continue
      this.watched.delete(entry)
      entry.onIdle()
    }
  }
}
