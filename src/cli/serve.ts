// What `client`, `tcp` and `udp` have in common: run one client until it has ended, show where it is reachable.

import { createHash } from 'node:crypto'
import type { PetrelError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Log } from '../base/log.js'
import { startClient } from '../client/client.js'
import type { ClientState } from '../client/options.js'
import { type ClientSettings, loadClient } from '../config/client.js'
import { installId, knownPin, readJoined, rememberPin } from '../config/joined.js'
import type { FlagValue } from '../config/read.js'
import { formatAddress } from '../transport/address.js'
import { banner, servingRecord } from './banner.js'
import { exitCodeOf } from './exit.js'
import type { Surroundings } from './flags.js'
import { openLocal } from './local/listen.js'
import { type OpenLog, openLog } from './log.js'
import { onStopSignal } from './signals.js'
import { describeClient } from './status/describe.js'
import { chosenTransports } from './transports.js'

export function loadClientHere(
  file: string | undefined,
  flags: readonly FlagValue[],
  around: Surroundings,
  { checkOnly = false } = {},
): ClientSettings {
  return loadClient({
    file,
    flags,
    checkOnly,
    env: around.env,
    joined: readJoined(around.folders),
    knownPin: (server) => knownPin(around.folders, server),
  })
}

/**
 * An id of 16 bytes for one command on this installation. The same command that comes back is the same client and takes
 * its names over; two different ones, as `petrel tcp 22` and `petrel tcp 22 --remote-port 20022`, leave each other alone.
 */
export function commandId({ folders }: Surroundings, command: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(installId(folders)).update(command).digest().subarray(0, 16))
}

/** Resolves when the client has ended; sets the exit code. */
export async function serve(settings: ClientSettings, id: Uint8Array, around: Surroundings): Promise<void> {
  const opened = await openLog(settings.log)
  const { log } = opened
  for (const warning of settings.warnings) log.warn(warning)
  const { transports, missing } = chosenTransports(settings.transport === 'auto' ? undefined : [settings.transport], {
    ports: { kcp: settings.kcpPort },
    path: settings.path,
  })
  if (missing !== undefined) log.warn(`${missing.message}; using ${transports.map(({ name }) => name).join(', ')}`)
  const client = startClient({
    server: settings.server,
    transports,
    profile: settings.path.profile,
    trust: settings.trust,
    ...(settings.serverName === undefined ? {} : { serverName: settings.serverName }),
    ...(settings.token === undefined ? {} : { token: settings.token }),
    ...(settings.credentials === undefined ? {} : { credentials: settings.credentials }),
    installId: id,
    proxies: settings.proxies,
    reconnect: settings.reconnect,
    log,
    onPin: (pin) => remember(around, settings, pin, log),
    onState: show(settings, opened),
  })
  onStopSignal(log, () => void client.close(limits.stop.graceMs))
  const local = await openLocal('client', { status: () => describeClient(client) }, around.folders, log)
  const error = await client.ended
  local.close()
  if (error === undefined) log.info('stopped')
  else log.error({ code: error.code }, `${error.message}${remedy(error, settings)}`)
  process.exitCode = error === undefined ? 0 : exitCodeOf(error)
}

/** What to do about a credential that the server does not take. */
function remedy({ code }: PetrelError, { credentials, hasOwnToken }: ClientSettings): string {
  if (code !== 'auth_failed') return ''
  if (credentials !== undefined)
    return ': put the pin that `petrel check-config` shows into allowed_clients of the server'
  const join = 'run `petrel server --print-join` on the server, and `petrel join` with that here'
  return hasOwnToken
    ? `: give another (--token-file, token:, token_file:, PETREL_TOKEN); or none, and ${join}`
    : `: ${join}`
}

function remember({ folders }: Surroundings, { server }: ClientSettings, pin: Uint8Array, log: Log): void {
  try {
    rememberPin(folders, server, pin)
    log.info(`${formatAddress(server)} proved that it has the token; its key is kept and expected from now on`)
  } catch (error) {
    log.warn(`the key of ${formatAddress(server)} could not be kept: ${(error as Error).message}`)
  }
}

/** On standard output, when something changed in it, the banner, or with JSON its record; and a log line each time. */
function show({ server }: ClientSettings, { log, forPeople, json }: OpenLog): (state: ClientState) => void {
  let shown = ''
  return (state) => {
    if (state.state === 'connecting') log.debug(`connecting to ${formatAddress(server)}, attempt ${state.attempt}`)
    if (state.state !== 'serving') return
    const serving = { server, transport: state.transport, proxies: state.proxies }
    const record = servingRecord(serving)
    const text = json ? JSON.stringify({ event: 'serving', ...record }) : banner(serving).join('\n')
    if (!forPeople) log.info(record, 'serving')
    if (text !== shown) console.log(text)
    else if (forPeople) log.info('serving again')
    shown = text
    if (!forPeople) return
    for (const { name, refused } of record.proxies)
      if (refused !== undefined) log.warn(`${name} is not served: ${refused}`)
  }
}
