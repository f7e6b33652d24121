// Sets pino up: readable and coloured on a terminal, JSON for machines, on standard error; besides, a file that is
// rotated. Times carry their zone. Nothing here is asynchronous, so that the last line before an exit is written.

import { formatRFC3339 } from 'date-fns/formatRFC3339'
import pino, { type Logger } from 'pino'
import { prettyFactory } from 'pino-pretty'
import roll from 'pino-roll'
import type { Log } from '../base/log.js'
import type { LogSettings } from '../config/log-schema.js'
import { redact } from './redact.js'

export interface OpenLog {
  readonly log: Log
  /** Whether people read standard error (banner, status line) or machines do. */
  readonly forPeople: boolean
  /** JSON was asked for: standard output has nothing else either. */
  readonly json: boolean
  /** A new level takes effect at once; the other settings of a log stay as they were when it was opened. */
  setLevel(level: LogSettings['level']): void
}

interface Sink {
  write(text: string): unknown
}

/** `to`: standard error, unless a test listens. Throws the system's error when the log file cannot be written. */
export async function openLog(settings: LogSettings, to: Sink = standardError()): Promise<OpenLog> {
  // The process's own zone serves the rotation at midnight as well as the times.
  if (settings.time_zone !== 'local') process.env.TZ = settings.time_zone === 'utc' ? 'UTC' : settings.time_zone
  const forPeople = settings.format === 'pretty' || (settings.format === 'auto' && process.stderr.isTTY === true)
  const streams: pino.StreamEntry[] = [{ level: 'trace', stream: redacting(forPeople ? readable(to) : to) }]
  if (settings.file !== undefined)
    streams.push({ level: 'trace', stream: redacting(await rollingFile(settings, settings.file)) })
  const logger: Logger = pino(
    {
      level: settings.level,
      base: null,
      timestamp: () => `,"time":"${formatRFC3339(Date.now(), { fractionDigits: 3 })}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.multistream(streams),
  )
  return {
    log: logger as Log,
    forPeople,
    json: settings.format === 'json',
    setLevel: (level) => {
      logger.level = level
    },
  }
}

const standardError = (): Sink => pino.destination({ fd: 2, sync: true })

const redacting = (to: Sink): Sink => ({ write: (text) => to.write(redact(text)) })

/** Line by line and at once: pino-pretty's own stream may still hold the last line when the process exits. */
function readable(to: Sink): Sink {
  const colorize = process.stderr.isTTY === true && process.env.NO_COLOR === undefined
  const pretty = prettyFactory({ colorize, translateTime: 'SYS:HH:MM:ss', singleLine: true })
  return { write: (text) => to.write(pretty(text)) }
}

function rollingFile(settings: LogSettings, file: string): Promise<Sink> {
  return roll({
    file,
    size: `${Math.max(1, Math.ceil(settings.rotate_size / 1024))}k`,
    limit: { count: settings.keep_files, removeOtherLogFiles: true },
    mkdir: true,
    sync: true,
    ...(settings.rotate_every === 'never' ? {} : { frequency: settings.rotate_every }),
  })
}
