// From weights to what one link and one stream cost, to goals and to doubts. Pure.

import type { Weight } from './memory-side.js'
import { type Spread, spread } from './report.js'

/** One side of one transport in one round. */
export interface Weighing {
  /** With a few links, once more some seconds later, with the links, and with streams on some of them. */
  readonly before: Weight
  readonly control: Weight
  readonly withLinks: Weight
  readonly withStreams: Weight
}

/** Each transport's sides, one weighing a round. */
export type Weighings = Record<string, { readonly dialer: Weighing[]; readonly listener: Weighing[] }>

type Column = 'residentBytes' | 'heapBytes'

/** Bytes a side. For comparison: frp takes 28 to 33 KB a stream, rathole 17.5. */
const goalBytes = { link: 64 * 1024, stream: 16 * 1024 }
type Thing = keyof typeof goalBytes

const span = (of: Weighing, thing: Thing) =>
  thing === 'link' ? ([of.control, of.withLinks] as const) : ([of.withLinks, of.withStreams] as const)

/** Bytes of all of them, in one round. */
function gained(of: Weighing, thing: Thing, column: Column): number {
  const [from, to] = span(of, thing)
  return to[column] - from[column]
}

/** Bytes of one, in one round. */
export function cost(of: Weighing, thing: Thing, column: Column): number {
  const [from, to] = span(of, thing)
  return gained(of, thing, column) / (thing === 'link' ? to.links - from.links : to.streams - from.streams)
}

const costs = (rounds: readonly Weighing[], thing: Thing, column: Column): Spread =>
  spread(rounds.map((round) => cost(round, thing, column)))

const rows = (weighings: Weighings) =>
  Object.entries(weighings).flatMap(([transport, sides]) =>
    (['dialer', 'listener'] as const).map((side) => ({ name: `${transport} ${side}`, rounds: sides[side] })),
  )

const kib = (bytes: number) => (bytes / 1024).toFixed(1).padStart(8)

export function printCosts(weighings: Weighings): string {
  const table = (thing: Thing) => {
    const head = `one idle ${thing}, KiB   min  median     max  |  of which V8's`
    const lines = rows(weighings).map(({ name, rounds }) => {
      const { min, median, max } = costs(rounds, thing, 'residentBytes')
      const heap = costs(rounds, thing, 'heapBytes').median
      return `  ${name.padEnd(15)}${kib(min)}${kib(median)}${kib(max)}  |${kib(heap)}`
    })
    return [head, ...lines].join('\n')
  }
  return [table('link'), table('stream')].join('\n\n')
}

export function goals(weighings: Weighings): string[] {
  return rows(weighings).flatMap(({ name, rounds }) =>
    (['link', 'stream'] as const).map((thing) => {
      const { median } = costs(rounds, thing, 'residentBytes')
      const [is, goal] = [(median / 1024).toFixed(1), goalBytes[thing] / 1024]
      return `${median <= goalBytes[thing] ? 'met   ' : 'MISSED'}  ${name}  ${is} KiB a ${thing}, goal ${goal}`
    }),
  )
}

/** What a process gains or loses by itself may be so much of what is measured. */
const mostDrift = 0.1
/** A gain of less than this may be anything. */
const leastGainBytes = 4 * 1024 * 1024
/** Rounds may differ from their median by so much. */
const mostSpread = 0.25

/** Reasons not to believe the run; none is as it should be. */
export function doubts(weighings: Weighings): string[] {
  return rows(weighings).flatMap(({ name, rounds }) => {
    const drifts = rounds.map(({ before, control, withLinks }) => {
      const drift = Math.abs(control.residentBytes - before.residentBytes)
      return drift / Math.abs(withLinks.residentBytes - control.residentBytes)
    })
    const drift = spread(drifts).median
    const drifting = `${name}: it changes by ${(drift * 100).toFixed(0)} % of its links' weight while nothing happens`
    const each = (['link', 'stream'] as const).flatMap((thing) => {
      const { min, median, max } = costs(rounds, thing, 'residentBytes')
      const off = Math.max(median - min, max - median) / Math.abs(median)
      const gain = spread(rounds.map((round) => gained(round, thing, 'residentBytes'))).min
      return [
        gain < leastGainBytes
          ? `${name}: ${(gain / 2 ** 20).toFixed(1)} MiB by its ${thing}s are too little to tell`
          : '',
        off > mostSpread ? `${name}, ${thing}: the rounds differ by ${(off * 100).toFixed(0)} %` : '',
      ]
    })
    return [drift > mostDrift ? drifting : '', ...each].filter((text) => text !== '')
  })
}
