// From measurements to tables. Pure. Of several rounds the median counts.

import type { Figures, Measurement } from './lossy-points.js'
import { spread } from './report.js'

export interface Column {
  readonly title: string
  readonly of: (figures: Figures) => number | undefined
  readonly digits: number
}

const goodput: Column = { title: 'goodput, Mbit/s', of: ({ goodput }) => goodput, digits: 1 }

const columns: readonly Column[] = [
  goodput,
  { title: 'goodput of the second half, Mbit/s', of: ({ secondHalf }) => secondHalf, digits: 1 },
  { title: 'bytes on the wire for each that arrived', of: ({ wireRatio }) => wireRatio, digits: 2 },
  { title: 'dropped by overflowing the queue, %', of: ({ overflow }) => overflow * 100, digits: 2 },
  { title: 'CPU s/GB, both processes', of: ({ cpuPerGB }) => cpuPerGB, digits: 1 },
  { title: '100 bytes echoed beside the bulk, p50 ms', of: ({ echoP50Ms }) => echoP50Ms, digits: 0 },
  { title: 'longest silence, ms', of: ({ silenceMs }) => silenceMs, digits: 0 },
]

export const unique = <T>(values: readonly T[]): T[] => [...new Set(values)]
const ascending = (a: number, b: number) => a - b

export const rttsOf = (all: readonly Measurement[]) => unique(all.map(({ rttMs }) => rttMs)).sort(ascending)
export const lossesOf = (all: readonly Measurement[]) =>
  unique(all.map(({ lossPercent }) => lossPercent)).sort(ascending)

/** The measurements of one system at one point. */
const at = (all: readonly Measurement[], system: string, rttMs: number, lossPercent: number) =>
  all.filter((one) => one.system === system && one.rttMs === rttMs && one.lossPercent === lossPercent)

/** Undefined: not measured; NaN: it did not work, or has no such figure. */
export function median(
  all: readonly Measurement[],
  [system, rttMs, lossPercent]: readonly [string, number, number],
  of: Column['of'],
): number | undefined {
  const here = at(all, system, rttMs, lossPercent)
  if (here.length === 0) return undefined
  const values = here.flatMap(({ figures }) => (figures === undefined ? [] : [of(figures) ?? Number.NaN]))
  return spread(values).median
}

function cell(value: number | undefined, digits: number): string {
  if (value === undefined) return ''
  return Number.isFinite(value) ? value.toFixed(digits) : '-'
}

/** Tables for a terminal: for each RTT and figure the systems over loss. */
export function printTables(all: readonly Measurement[], systems: readonly string[]): string {
  const blocks = rttsOf(all).flatMap((rtt) => columns.map((column) => printTable(all, systems, rtt, column)))
  return blocks.filter((text) => text !== '').join('\n\n')
}

function printTable(all: readonly Measurement[], systems: readonly string[], rtt: number, column: Column): string {
  const losses = lossesOf(all.filter(({ rttMs }) => rttMs === rtt))
  const rows = systems
    .map(
      (system) =>
        [system, losses.map((loss) => cell(median(all, [system, rtt, loss], column.of), column.digits))] as const,
    )
    .filter(([, cells]) => cells.some((text) => text !== '' && text !== '-'))
  if (rows.length === 0) return ''
  const line = (name: string, cells: readonly string[]) =>
    `  ${name.padEnd(14)}${cells.map((text) => text.padStart(9)).join('')}`
  const head = line(
    '',
    losses.map((loss) => `${loss} %`),
  )
  return [`${rtt} ms, ${column.title}`, head, ...rows.map(([system, cells]) => line(system, cells))].join('\n')
}

/** One table in Markdown: goodput at every point, the best of each column in bold; then what each system is. */
export function markdown(all: readonly Measurement[], systems: readonly string[]): string {
  const points = rttsOf(all).flatMap((rtt) =>
    lossesOf(all.filter(({ rttMs }) => rttMs === rtt)).map((loss) => [rtt, loss] as const),
  )
  const measured = systems.filter((system) => all.some((one) => one.system === system))
  const values = measured.map((system) => points.map((point) => median(all, [system, ...point], goodput.of)))
  const best = points.map((_, column) => Math.max(...values.map((row) => row[column] ?? 0).filter(Number.isFinite)))
  const rows = measured.map((system, row) => {
    const cells = points.map((_, column) => {
      const value = values[row]?.[column]
      const text = cell(value, 1)
      return value !== undefined && value === best[column] ? `**${text}**` : text
    })
    return `| ${system} | ${cells.join(' | ')} |`
  })
  const titles = points.map(([rtt, loss]) => `${rtt} ms, ${loss} %`)
  const table = [`| Mbit/s | ${titles.join(' | ')} |`, `| --- |${' ---: |'.repeat(points.length)}`, ...rows].join('\n')
  const notes = measured.map(
    (system) => `- ${system}: ${unique(all.filter((one) => one.system === system).map(({ note }) => note)).join('; ')}`,
  )
  return `${table}\n\n${notes.join('\n')}`
}

/** When, where and how long, in one line. */
export function circumstances(all: readonly Measurement[]): string {
  const dates = all.map(({ date }) => date.slice(0, 10)).sort()
  const [first, last] = [dates[0], dates.at(-1)]
  const seconds = unique(all.map((one) => one.seconds)).sort(ascending)
  const machines = unique(all.map(({ machine }) => machine))
  return `${first === last ? first : `${first} to ${last}`}, ${machines.join('; ')}; ${seconds.join(' or ')} s each`
}
