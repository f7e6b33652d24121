// The `log:` group, the same for server and client.

import { z } from 'zod'
import { defaults } from '../base/limits.js'
import * as field from './fields.js'
import { formatSize } from './units.js'

const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const

export const logSchema = z.strictObject({
  level: field.choice(logLevels).default(defaults.log.level),
  /** auto: readable on a terminal, JSON elsewhere. */
  format: field.choice(['auto', 'pretty', 'json']).default('auto'),
  file: field.path.optional(),
  rotate_size: field.size.prefault(formatSize(defaults.log.rotateBytes)),
  rotate_every: field.choice(['daily', 'hourly', 'never']).default(defaults.log.rotateEvery),
  keep_files: field.whole(1, 1000).default(defaults.log.keepFiles),
  time_zone: field.timeZone.prefault('local'),
})

export type LogSettings = z.output<typeof logSchema>
