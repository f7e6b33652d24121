// What the floors ask of a log: pino's own interface, so that a library user may pass any pino. How the command line
// sets pino up (levels, colours, rotation) is cli/log.ts.

import type { Logger } from 'pino'
import { limits } from './limits.js'

export type Log = Pick<Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error'> & { child(bindings: object): Log }

/** One line of a log; never called per packet. */
export type Line = (level: 'debug' | 'info' | 'warn', message: string, fields?: object) => void

/** The same log as one function, for floors that say little. */
export const lineOf =
  (log: Log): Line =>
  (level, message, fields = {}) =>
    log[level](fields, message)

/** For lines that strangers and visitors cause as often as they like: at most so many in each span, and the next one
 *  said tells how many were not (`unsaid`). Debug lines pass: whoever asks for those wants all. */
export function sparingly(
  line: Line,
  { lines, everyMs }: { readonly lines: number; readonly everyMs: number } = limits.log.sparing,
  now: () => number = () => performance.now(),
): Line {
  let since = Number.NEGATIVE_INFINITY
  let said = 0
  let unsaid = 0
  return (level, message, fields = {}) => {
    if (level === 'debug') return line(level, message, fields)
    if (now() - since >= everyMs) {
      since = now()
      said = 0
    }
    if (said === lines) {
      unsaid++
      return
    }
    said++
    line(level, message, unsaid === 0 ? fields : { ...fields, unsaid })
    unsaid = 0
  }
}
