// Numbers as people read them.

import { formatDuration } from 'date-fns/formatDuration'
import { intervalToDuration } from 'date-fns/intervalToDuration'

const units = ['years', 'months', 'days', 'hours', 'minutes', 'seconds'] as const

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(1)} kB`
  if (bytes < 1_000_000_000) return `${(bytes / 1_000_000).toFixed(1)} MB`
  return `${(bytes / 1_000_000_000).toFixed(1)} GB`
}

export const formatRate = (bytesPerSecond: number): string => `${formatBytes(bytesPerSecond)}/s`

/** Its two largest units: "2 hours 5 minutes". */
export function formatTime(ms: number): string {
  const duration = intervalToDuration({ start: 0, end: Math.max(0, ms) })
  const largest = units.filter((unit) => (duration[unit] ?? 0) > 0).slice(0, 2)
  return largest.length === 0 ? 'less than a second' : formatDuration(duration, { format: largest })
}
