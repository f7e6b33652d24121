// SIGHUP: a server takes its new configuration whole, or keeps the old one and says why. What it cannot change while
// it runs is named.

import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../base/log.js'
import type { ServerSettings } from '../config/server.js'
import type { Server, ServerOptions } from '../server/options.js'

export interface Next {
  readonly settings: ServerSettings
  readonly options: ServerOptions
}

/** `started`: what the process was started with; those keys hold until it ends. */
export async function reloadServer(
  server: Server,
  started: ServerSettings,
  log: Log,
  load: () => Promise<Next>,
): Promise<void> {
  try {
    const { settings, options } = await load()
    await server.reload(options)
    const fixed = needRestart(started, settings)
    for (const key of fixed) log.warn(`${key}: needs a restart; until then the old value holds`)
    log.info(`SIGHUP: the new configuration holds${fixed.length === 0 ? '' : `, except ${fixed.join(', ')}`}`)
  } catch (error) {
    log.error(`SIGHUP: the old configuration stays: ${(error as Error).message}`)
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
      ...Object.fromEntries(Object.entries({ file: undefined, ...log }).map(([key, value]) => [`log.${key}`, value])),
    }
  }
  const old = fixed(before)
  return Object.entries(fixed(now))
    .filter(([key, value]) => !isDeepStrictEqual(value, old[key]))
    .map(([key]) => key)
}
