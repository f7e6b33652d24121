// SIGHUP and `petrel reload`: a server takes its new configuration whole, or keeps the old one and says why. What it
// cannot change while it runs is named.

import { isDeepStrictEqual } from 'node:util'
import { isPetrelError } from '../base/errors.js'
import type { Log } from '../base/log.js'
import type { ServerSettings } from '../config/server.js'
import type { Server, ServerOptions } from '../server/options.js'

export interface Next {
  readonly settings: ServerSettings
  readonly options: ServerOptions
}

/** How it went: one sentence, and the code of what stood against it. */
export interface Reloaded {
  readonly taken: boolean
  readonly text: string
  readonly code?: string
}

export interface ReloadOptions {
  readonly server: Server
  /** What the process was started with; those of its keys that a reload cannot change hold until it ends. */
  readonly started: ServerSettings
  readonly log: Log
  load(): Promise<Next>
  /** The next holds from now on. */
  onTaken(next: Next): void
}

/** Returns what reloads: each call after the one before has ended; calls that wait for that are one. Never rejects.
 *  cause: what asked, for the log. */
export function reloader(options: ReloadOptions): (cause: string) => Promise<Reloaded> {
  let last: Promise<unknown> = Promise.resolve()
  let waiting: Promise<Reloaded> | undefined
  return (cause) => {
    waiting ??= last.then(() => {
      waiting = undefined
      return reload(options, cause)
    })
    last = waiting
    return waiting
  }
}

async function reload({ server, started, log, load, onTaken }: ReloadOptions, cause: string): Promise<Reloaded> {
  try {
    const next = await load()
    await server.reload(next.options)
    onTaken(next)
    const { settings } = next
    const fixed = needRestart(started, settings)
    for (const key of fixed) log.warn(`${key}: needs a restart; until then the old value holds`)
    const text = `the new configuration holds${fixed.length === 0 ? '' : `, except ${fixed.join(', ')}`}`
    log.info(`${cause}: ${text}`)
    return { taken: true, text }
  } catch (error) {
    const text = `the old configuration stays: ${(error as Error).message}`
    log.error(`${cause}: ${text}`)
    return { taken: false, text, code: isPetrelError(error) ? error.code : 'internal' }
  }
}

/** The keys that differ and that only a start reads. */
export function needRestart(before: ServerSettings, now: ServerSettings): string[] {
  const fixed = (settings: ServerSettings): Record<string, unknown> => {
    const { level: _, ...log } = settings.log
    return {
      bind_addr: settings.bind.host,
      bind_port: settings.bind.port,
      kcp_port: settings.kcpPort,
      transports: settings.transports && [...settings.transports].sort(),
      profile: settings.path.profile.name,
      bandwidth: settings.path.bandwidth,
      bandwidth_limit: settings.path.bandwidthLimit,
      ...Object.fromEntries(Object.entries({ file: undefined, ...log }).map(([key, value]) => [`log.${key}`, value])),
    }
  }
  const old = fixed(before)
  return Object.entries(fixed(now))
    .filter(([key, value]) => !isDeepStrictEqual(value, old[key]))
    .map(([key]) => key)
}
