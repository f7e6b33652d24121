// The points of the matrix and what is kept of each measurement: one line of JSON in a file that is only appended to, so that
// an interrupted run loses at most the measurement that it was in.

import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs'

/** A link: the same both ways, 100 Mbit/s, a queue of one bandwidth-delay product. */
export interface Point {
  readonly rttMs: number
  /** Of the packets each way. */
  readonly lossPercent: number
}

export const rateMbit = 100
export const rtts: readonly number[] = [50, 200, 600]
export const losses: readonly number[] = [0, 1, 5, 10, 20]

/** Which way the bytes go: `up` from the client to the server, as when a visitor fetches; `down` the other way. */
export type Way = 'up' | 'down'

export interface Measurement extends Point {
  readonly system: string
  readonly round: number
  readonly seconds: number
  readonly way: Way
  /** What the link had besides, as JSON. */
  readonly link?: string
  readonly note: string
  readonly machine: string
  readonly date: string
  /** Undefined: it did not work there. */
  readonly figures?: Figures
  /** What did not work. */
  readonly error?: string
}

export interface Figures {
  /** Mbit/s that arrived and were checked, from the visitor's request on, and in the second half of the time. */
  readonly goodput: number
  readonly secondHalf: number
  /** Bytes of IP that went over the link in that way, lost ones too, for each that the visitor got. */
  readonly wireRatio: number
  /** Part of all bytes that entered, which the system itself dropped by overflowing the queue. */
  readonly overflow: number
  /** Seconds of processor time of the system's processes for 10^9 bytes; undefined: it has none. */
  readonly cpuPerGB?: number
  /** Mbit/s of the kernel's transfer beside it, if there was one; then wireRatio and overflow are of both together. */
  readonly besideGoodput?: number
  /** 100 bytes echoed beside the bulk, ms. */
  readonly echoP50Ms: number
  readonly echoCount: number
  /** The longest time in which the visitor got nothing, ms. */
  readonly silenceMs: number
  /** How honest the link was: packets late and a control timer, p99.9, ms; the emulator's part of a core. */
  readonly lateMs: number
  readonly controlMs: number
  readonly emulatorCpu: number
}

/** Everybody has the same loss, each measurement its own losses: a seed for point and round. */
export const seedOf = ({ rttMs, lossPercent }: Point, round: number) => rttMs * 10_000 + lossPercent * 100 + round

/** Three where the figures are compared most, one elsewhere. */
export const roundsOf = ({ rttMs, lossPercent }: Point) =>
  [50, 200].includes(rttMs) && [0, 5, 20].includes(lossPercent) ? 3 : 1

/** Longer on long paths: starting takes round trips. */
export const secondsOf = ({ rttMs }: Point) => (rttMs >= 600 ? 40 : 20)

/** `50/5,200/0`: RTT in ms and loss in percent. Throws on anything else. */
export function parsePoints(text: string): Point[] {
  return text.split(',').map((one) => {
    const [, rtt, loss] = /^(\d+)\/(\d+(?:\.\d+)?)$/.exec(one.trim()) ?? []
    const point = { rttMs: Number(rtt), lossPercent: Number(loss) }
    if (!(point.rttMs >= 1 && point.lossPercent < 100)) {
      throw new Error(`--points: "${one}" is no point; wanted is RTT/LOSS, for instance 50/5`)
    }
    return point
  })
}

/** What makes a measurement the same as one that is there already. */
export type Key = Pick<Measurement, 'rttMs' | 'lossPercent' | 'system' | 'round' | 'seconds' | 'way' | 'link'>

export const keyOf = ({ rttMs, lossPercent, system, round, seconds, way, link }: Key) =>
  [rttMs, lossPercent, system, round, seconds, way, link].join(' ')

/** The measurements of a file; none when it is not there. A last line that an interruption cut is left out. */
export function readMeasurements(file: string): Measurement[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Measurement)
}

/** Takes away a last line that an interruption cut, so that the next one begins anew. */
export function mend(file: string): void {
  if (existsSync(file)) truncateSync(file, readFileSync(file).lastIndexOf('\n') + 1)
}

export function keep(file: string, measurement: Measurement): void {
  appendFileSync(file, `${JSON.stringify(measurement)}\n`)
}
