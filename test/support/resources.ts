// What a process holds, to see that it lets go of it: descriptors, what keeps its event loop alive, memory.

import { readdirSync, readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export interface Held {
  readonly descriptors: number
  /** Timers, sockets and requests of the event loop, counted by their names. */
  readonly active: Readonly<Record<string, number>>
}

export function heldHere(): Held {
  const active: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) active[name] = (active[name] ?? 0) + 1
  return { descriptors: descriptorsOf(process.pid), active }
}

/** Linux only. Of this process it counts one less than the system does while it looks. */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** Resident memory in bytes. Linux only. */
export function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1] ?? 0) * 1024
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes of JavaScript's heap and of buffers that live after a collection. */
export async function liveBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    collect()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Asks again and again until the answer is as wanted, or for ms; resolves with the last answer. */
export async function settled<T>(ask: () => T, isWanted: (answer: T) => boolean, ms: number): Promise<T> {
  const until = performance.now() + ms
  for (;;) {
    const answer = ask()
    if (isWanted(answer) || performance.now() > until) return answer
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
