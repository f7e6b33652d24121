// Durations, sizes and rates as people write them, with their unit: "10s", "96MiB", "50mbit". A bare number is refused,
// since nobody can tell whether 30 means seconds.

const durationMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const sizeBytes: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }
/** Bytes a second; written in bits, as providers and everybody else does for links. */
const bytesPerSecond: Readonly<Record<string, number>> = { kbit: 125, mbit: 125_000, gbit: 125_000_000 }

/** Timers of Node count at most 2^31 - 1 ms, and fire at once beyond that. */
export const longestMs = 24 * 86_400_000

/** Milliseconds, whole, 1 to longestMs; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const ms = parse(text, durationMs)
  return ms !== undefined && ms >= 1 && ms <= longestMs ? ms : undefined
}

/** Bytes, whole; undefined for anything else. */
export const parseSize = (text: string): number | undefined => parse(text, sizeBytes)

/** Of a rate that is told, bytes a second: a link needs some of it for itself, and no path takes more. */
export const leastRate = 64 * 125
export const mostRate = 100 * 125_000_000

/** Bytes a second, whole, leastRate to mostRate; undefined for anything else. */
export function parseRate(text: string): number | undefined {
  // "50Mbit" is as plain; with bytes, where the capital counts, nobody would know.
  const rate = parse(text.toLowerCase(), bytesPerSecond)
  return rate !== undefined && rate >= leastRate && rate <= mostRate ? rate : undefined
}

export const formatDuration = (ms: number): string => format(ms, durationMs)
export const formatSize = (bytes: number): string => format(bytes, sizeBytes)

function parse(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,3})?) ?([A-Za-z]{1,4})$/.exec(text)
  const unit = units[match?.[2] ?? '']
  if (match === null || unit === undefined) return undefined
  const value = Number(match[1]) * unit
  return Number.isSafeInteger(value) ? value : undefined
}

/** In the largest unit that leaves a whole number. */
function format(value: number, units: Readonly<Record<string, number>>): string {
  const fitting = Object.entries(units).filter(([, unit]) => value % unit === 0)
  const [name, unit] = fitting.at(-1) ?? ['', 1]
  return `${value / unit}${name}`
}
