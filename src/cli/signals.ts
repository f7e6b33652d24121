// SIGINT and SIGTERM: the first asks for an end in good order, bounded in time; the second ends at once.

import { constants } from 'node:os'
import { limits } from '../base/limits.js'
import type { Log } from '../base/log.js'

/**
 * A Ctrl-C under `npm start` arrives twice, from the terminal and passed on by npm, within milliseconds. Nobody presses
 * a key twice so fast.
 */
const echoMs = 300

/** Calls `stop` on the first signal. For a process that ends soon after: the handlers stay. */
export function onStopSignal(log: Log, stop: () => void): void {
  let firstAt: number | undefined
  const handle = (signal: NodeJS.Signals) => {
    if (firstAt === undefined) {
      firstAt = performance.now()
      log.info(`${signal}: stopping; once more to end at once`)
      setTimeout(() => {
        log.warn(`still not closed after ${limits.stop.atMostMs} ms: ending`)
        process.exit(process.exitCode ?? 0)
      }, limits.stop.atMostMs).unref()
      stop()
    } else if (performance.now() - firstAt > echoMs) process.exit(128 + constants.signals[signal])
  }
  process.on('SIGINT', handle)
  process.on('SIGTERM', handle)
}
