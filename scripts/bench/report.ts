// From samples to tables, goals and doubts. Pure.

import { type Figure, figures, type Sample, visitors } from './figures.js'
import { direct, yardstick } from './systems.js'

/** samples[system][figure]: one a round, in the order of the rounds. */
export type Samples = Record<string, Partial<Record<Figure, Sample[]>>>

type Column = keyof Sample

interface Table {
  readonly title: string
  readonly figure: Figure
  readonly column: Column
  readonly digits: number
}

const transfers = figures.slice(0, 4)
const name = (figure: Figure) => figure.replace(/ 1$/, ', 1 connection').replace(/ 8$/, ', 8 connections')

const tables: readonly Table[] = [
  ...transfers.map((figure) => ({ title: `${name(figure)}, MB/s`, figure, column: 'rate' as const, digits: 0 })),
  ...transfers.map((figure) => ({
    title: `${name(figure)}, CPU s/GB`,
    figure,
    column: 'cpuPerGB' as const,
    digits: 2,
  })),
  { title: `new connections a second (${visitors} at a time)`, figure: 'connect', column: 'rate', digits: 0 },
  { title: 'new connections, CPU us each', figure: 'connect', column: 'cpuUs', digits: 0 },
  { title: 'connect, 1 byte echoed, closed: p50, us', figure: 'connect', column: 'p50Us', digits: 0 },
  { title: 'connect, 1 byte echoed, closed: p99, us', figure: 'connect', column: 'p99Us', digits: 0 },
  { title: '1 byte ping-pong: p50, us', figure: 'ping', column: 'p50Us', digits: 0 },
  { title: '1 byte ping-pong: p99, us', figure: 'ping', column: 'p99Us', digits: 0 },
  { title: 'control timer beside new connections: p99 late, ms', figure: 'connect', column: 'stallP99Ms', digits: 2 },
  { title: 'control timer beside ping-pong: p99 late, ms', figure: 'ping', column: 'stallP99Ms', digits: 2 },
]

/** Smallest, median, largest. */
export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (index: number) => sorted[index] ?? Number.NaN
  const middle = (sorted.length - 1) / 2
  const median = (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2
  return { min: at(0), median, max: at(sorted.length - 1) }
}

const column = (samples: Samples, system: string, figure: Figure, key: Column): number[] =>
  (samples[system]?.[figure] ?? []).map((sample) => sample[key] ?? Number.NaN)

/** A system's figure over another's, the yardstick's for instance, of the same round. */
export function ratio(samples: Samples, system: string, figure: Figure, key: Column, to: string = yardstick): Spread {
  const other = column(samples, to, figure, key)
  return spread(column(samples, system, figure, key).map((value, round) => value / (other[round] ?? Number.NaN)))
}

function row(samples: Samples, system: string, { figure, column: key, digits }: Table): string {
  const cells = ({ min, median, max }: Spread, places: number) =>
    [min, median, max].map((value) => (Number.isFinite(value) ? value.toFixed(places) : '-').padStart(8)).join('')
  const values = cells(spread(column(samples, system, figure, key)), digits)
  return `  ${system.padEnd(12)}${values}  |${cells(ratio(samples, system, figure, key), 2)}`
}

export function printTables(samples: Samples): string {
  const head = `  ${''.padEnd(12)}     min  median     max  |  ratio to ${yardstick}, same round`
  const blocks = tables.map((table) => {
    const rows = Object.keys(samples)
      .filter((system) => column(samples, system, table.figure, table.column).some(Number.isFinite))
      .map((system) => row(samples, system, table))
    return [table.title, head, ...rows].join('\n')
  })
  return blocks.join('\n\n')
}

const shortTable: readonly (readonly [string, Figure, Column, number])[] = [
  ['down, 1', 'download 1', 'rate', 0],
  ['down, 8', 'download 8', 'rate', 0],
  ['up, 1', 'upload 1', 'rate', 0],
  ['up, 8', 'upload 8', 'rate', 0],
  ['CPU s/GB (down, 8)', 'download 8', 'cpuPerGB', 2],
  [`new connections/s, ${visitors} at a time`, 'connect', 'rate', 0],
  ['their p50 / p99, ms', 'connect', 'p50Us', 1],
  ['ping-pong p50 / p99, us', 'ping', 'p50Us', 0],
]

/** The medians as one table in Markdown. notes: what each system is. */
export function markdown(samples: Samples, notes: Readonly<Record<string, string>>): string {
  const cell = (system: string, figure: Figure, key: Column, digits: number) => {
    const scale = figure === 'connect' && key !== 'rate' ? 1000 : 1
    const text = (which: Column) => {
      const { median } = spread(column(samples, system, figure, which))
      return Number.isFinite(median) ? (median / scale).toFixed(digits) : ''
    }
    return key === 'p50Us' ? `${text('p50Us')} / ${text('p99Us')}` : text(key)
  }
  const rows = Object.keys(samples).map((system) => {
    const cells = shortTable.map(([, ...what]) => cell(system, ...what))
    return `| ${system}: ${notes[system]} | ${cells.join(' | ')} |`
  })
  const head = `| MB/s by direction and connections | ${shortTable.map(([title]) => title).join(' | ')} |`
  return [head, `| --- |${' ---: |'.repeat(shortTable.length)}`, ...rows].join('\n')
}

/** petrel's goals as lines: what was wanted, what came out. */
export function goals(samples: Samples): string[] {
  const wanted = [
    ...transfers.map((figure) => ({ system: 'petrel tls', figure, least: 0.7 })),
    ...transfers.map((figure) => ({ system: 'petrel quic', figure, least: figure.endsWith('1') ? 0.5 : 0.6 })),
  ]
  const rates = wanted.map(({ system, figure, least }) => {
    const { median } = ratio(samples, system, figure, 'rate')
    return line(system, `${name(figure)}: ${median.toFixed(2)} of ${yardstick}, goal ${least}`, median, median >= least)
  })
  const others = ['petrel tls', 'petrel quic'].flatMap((system) => {
    const ping = ratio(samples, system, 'ping', 'p50Us').median
    const connects = spread(column(samples, system, 'connect', 'rate')).median
    return [
      line(system, `ping-pong p50: ${ping.toFixed(2)} of ${yardstick}, goal at most 2.5`, ping, ping <= 2.5),
      line(system, `new connections a second: ${connects.toFixed(0)}, goal 2000`, connects, connects >= 2000),
    ]
  })
  return [...rates, ...others, ...goalsOfKcp(samples)].filter((text) => text !== '')
}

/** KCP is chosen for links that lose packets: where none is lost it may be slower than QUIC, and not by much. */
function goalsOfKcp(samples: Samples): string[] {
  const [kcp, quic] = ['petrel kcp', 'petrel quic']
  const rates = [...transfers, 'connect' as const].map((figure) => {
    const { median } = ratio(samples, kcp, figure, 'rate', quic)
    const what = figure === 'connect' ? 'new connections a second' : name(figure)
    return line(kcp, `${what}: ${median.toFixed(2)} of ${quic}, goal 0.6`, median, median >= 0.6)
  })
  const ping = ratio(samples, kcp, 'ping', 'p50Us', quic).median
  return [...rates, line(kcp, `ping-pong p50: ${ping.toFixed(2)} of ${quic}, goal at most 1.3`, ping, ping <= 1.3)]
}

/** Empty for what was not measured. */
const line = (system: string, text: string, value: number, met: boolean) =>
  Number.isFinite(value) ? `${met ? 'met   ' : 'MISSED'}  ${system}  ${text}` : ''

/** How much faster the direct path must be than what is measured: else the bench measures itself. */
const margin = 1.5
/** A control timer that fires later than this in 1 of 100 cases makes ping-pong worthless, ms. New connections fill the
 *  machine by themselves: there the timer is shown and not judged. */
const worstStallMs = 20

/** Reasons not to believe the run; none is as it should be. */
export function doubts(samples: Samples): string[] {
  const systems = Object.keys(samples).filter((system) => system !== direct)
  return systems.flatMap((system) =>
    figures.flatMap((figure) => {
      const key = figure === 'ping' ? 'p50Us' : 'rate'
      const here = spread(column(samples, system, figure, key)).median
      const most = spread(column(samples, direct, figure, key)).median
      const times = figure === 'ping' ? here / most : most / here
      const stall = spread(column(samples, system, figure, 'stallP99Ms')).median
      return [
        times < margin ? `${system}, ${name(figure)}: the direct path is only ${times.toFixed(2)} times as fast` : '',
        figure === 'ping' && stall > worstStallMs
          ? `${system}, ${name(figure)}: the machine stalled ${stall.toFixed(0)} ms`
          : '',
      ].filter((text) => text !== '')
    }),
  )
}
