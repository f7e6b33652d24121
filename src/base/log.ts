// What the floors ask of a log: pino's own interface, so that a library user may pass any pino. How the command line
// sets pino up (levels, colours, rotation) is cli/log.ts.

import type { Logger } from 'pino'

export type Log = Pick<Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error'> & { child(bindings: object): Log }

/** The same log as one function, for floors that say little. */
export const lineOf =
  (log: Log) =>
  (level: 'debug' | 'info' | 'warn', message: string, fields: object = {}): void =>
    log[level](fields, message)
