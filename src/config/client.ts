// client.yaml and its other layers, to what a client is told.

import { defaults, limits } from '../base/limits.js'
import type { ClientProxy } from '../client/options.js'
import { formatAddress } from '../transport/address.js'
import type { Address, Credentials, PathSettings, TransportName, Trust } from '../transport/transport.js'
import { type ClientKeys, clientSchema } from './client-schema.js'
import type { Join } from './join-string.js'
import type { LogSettings } from './log-schema.js'
import { pathSettings } from './path-schema.js'
import { configError } from './problem.js'
import { type Given, type Reading, readLayers, variables } from './read.js'
import { readCredentials, readFileAt, readToken, warnWhenOpen } from './secrets.js'
import { serverSchema } from './server-schema.js'
import { ownVariables } from './variables.js'

export interface ClientSettings {
  readonly server: Address
  readonly serverName: string | undefined
  readonly trust: Trust
  /** Exactly one of token and credentials is set; with checkOnly perhaps none. */
  readonly token: string | undefined
  /** The token was given, by file, flag or environment, and not left by `petrel join`. */
  readonly hasOwnToken: boolean
  readonly credentials: Credentials | undefined
  /** auto: whichever of those that this installation has gets through first. */
  readonly transport: TransportName | 'auto'
  /** Where the server has kcp on a port of its own. */
  readonly kcpPort: number | undefined
  readonly path: PathSettings
  readonly proxies: readonly ClientProxy[]
  readonly reconnect: { readonly firstMs: number; readonly longestMs: number }
  readonly log: LogSettings
  readonly warnings: readonly string[]
}

export interface ClientGiven extends Given {
  /** Checked, not started: what a `petrel join` may still bring is missed with a warning only. */
  readonly checkOnly?: boolean
  /** What `petrel join` left: used when no layer names another server. */
  readonly joined?: Join | undefined
  /** The pin that a server proved before. */
  knownPin?(server: Address): Uint8Array | undefined
}

const options = {
  alternatives: [
    ['token', 'token_file', 'tls_cert_file', 'tls_key_file'],
    ['server_pin', 'ca_file', 'system_roots'],
  ],
  otherVariables: new Set([...ownVariables, ...variables(serverSchema)]),
}

/** Throws config_invalid whose message has one line for each problem. */
export function loadClient(given: ClientGiven): ClientSettings {
  const reading = readLayers(clientSchema, given, options)
  const keys = reading.settings
  const problem = (key: string, message: string) => reading.problems.push(reading.problem([key], message))

  const server = keys?.server ?? given.joined?.server
  if (server === undefined && !reading.has('server')) {
    problem(
      'server',
      'missing: run `petrel join` with the join string of your server, or name one (server: or --server)',
    )
  }
  // A token and a pin belong to the server that they were made for.
  const joined =
    server !== undefined && given.joined !== undefined && same(server, given.joined.server) ? given.joined : undefined
  const credentials = readCredentials(reading, keys?.tls_cert_file, keys?.tls_key_file)
  const ownToken = readToken(reading, [], 'token', keys?.token, keys?.token_file)
  const token = keys === undefined ? undefined : (ownToken ?? (credentials ? undefined : joined?.token))
  const mayLack = ['token', 'token_file', 'tls_cert_file', 'tls_key_file'].some((key) => reading.has(key))
  if (token === undefined && credentials === undefined && !mayLack && server !== undefined) {
    const missing = tokenMissing(server, given.joined?.server)
    if (given.checkOnly) reading.warnings.push(`token: ${missing}`)
    else problem('token', missing)
  }
  if (token !== undefined && credentials !== undefined)
    problem('tls_cert_file', 'give a token or a certificate, not both')
  const trust =
    server === undefined || keys === undefined ? undefined : trustOf(reading, keys, server, joined, given, token)
  const proxies = keys === undefined ? [] : proxiesOf(reading, keys)
  if (proxies.length === 0 && keys !== undefined && reading.problems.length === 0) {
    problem('proxies', 'nothing to serve: name a proxy, or use `petrel tcp PORT`')
  }
  if (reading.fromFile(['token']) && given.file !== undefined) warnWhenOpen(reading.warnings, given.file)
  if (reading.problems.length > 0 || keys === undefined || server === undefined || trust === undefined) {
    throw configError(reading.problems)
  }
  return {
    server,
    serverName: keys.server_name,
    trust,
    token,
    hasOwnToken: ownToken !== undefined,
    credentials,
    transport: keys.transport,
    kcpPort: keys.kcp_port ?? joined?.kcpPort,
    path: pathSettings(keys),
    proxies,
    reconnect: { firstMs: keys.reconnect.first, longestMs: keys.reconnect.longest },
    log: keys.log,
    warnings: reading.warnings,
  }
}

/** `joined`: another server than this one, whose token is of no use here. */
function tokenMissing(server: Address, joined: Address | undefined): string {
  const ways = 'token_file: (PETREL_TOKEN) or tls_cert_file: and tls_key_file:'
  if (joined === undefined) return `missing: run \`petrel join\`, or give ${ways}`
  const [here, there] = [formatAddress(server), formatAddress(joined)]
  return `missing: the joined server is ${there}, and its token is not used for ${here}: give that one's with --token-file, ${ways}`
}

const same = (a: Address, b: Address) => formatAddress(a).toLowerCase() === formatAddress(b).toLowerCase()

/**
 * What was said comes first, then the pin of the join string, then the pin that this server proved before. With a token
 * and none of these the server must prove the token before it is told anything; with a certificate that proves nothing of
 * the server, so the system's roots have to vouch for it.
 */
function trustOf(
  reading: Reading<ClientKeys>,
  keys: ClientKeys,
  server: Address,
  joined: Join | undefined,
  given: ClientGiven,
  token: string | undefined,
): Trust | undefined {
  const said = (['server_pin', 'ca_file'] as const).filter((key) => keys[key] !== undefined)
  if (said.length + (keys.system_roots ? 1 : 0) > 1) {
    const key = said.at(-1) ?? 'system_roots'
    reading.problems.push(reading.problem([key], 'give one of server_pin, ca_file and system_roots, not several'))
  }
  if (keys.server_pin !== undefined) return { kind: 'pin', pin: keys.server_pin }
  if (keys.ca_file !== undefined) {
    const certificates = readFileAt(reading, ['ca_file'], keys.ca_file)
    if (certificates === undefined) return undefined
    if (!certificates.includes('-----BEGIN CERTIFICATE-----')) {
      reading.problems.push(reading.problem(['ca_file'], 'expected certificates in PEM'))
    }
    return { kind: 'ca', certificates }
  }
  if (keys.system_roots) return { kind: 'system' }
  const pin = joined?.pin ?? given.knownPin?.(server)
  if (pin !== undefined) return { kind: 'pin', pin }
  return token === undefined ? { kind: 'system' } : { kind: 'unverified' }
}

function proxiesOf(reading: Reading<ClientKeys>, keys: ClientKeys): ClientProxy[] {
  const taken = new Map<string, string>()
  return Object.entries(keys.proxies).map(([name, proxy]) => {
    const place = `${proxy.type} port ${proxy.remote_port} of ${proxy.bind_addr ?? 'the server'}`
    const other = taken.get(place)
    if (proxy.remote_port !== 0 && other !== undefined) {
      reading.problems.push(reading.problem(['proxies', name, 'remote_port'], `${place} is taken by ${other} above`))
    }
    taken.set(place, name)
    const ranges = (proxy.allow?.length ?? 0) + (proxy.deny?.length ?? 0)
    const most = limits.control.visitorRanges
    if (ranges > most) {
      const message = `allow and deny have ${ranges} ranges, at most ${most} may stand in both together`
      reading.problems.push(reading.problem(['proxies', name], message))
    }
    return {
      spec: {
        type: proxy.type,
        name,
        remotePort: proxy.remote_port,
        localPort: proxy.local_port,
        noDelay: proxy.no_delay,
        ...(proxy.bind_addr === undefined ? {} : { bindAddress: proxy.bind_addr }),
        ...(proxy.allow === undefined ? {} : { allow: proxy.allow }),
        ...(proxy.deny === undefined ? {} : { deny: proxy.deny }),
        ...(proxy.max_connections === undefined ? {} : { maxConnections: proxy.max_connections }),
        ...(proxy.idle_timeout === undefined ? {} : { idleTimeoutMs: proxy.idle_timeout }),
      },
      service: {
        host: proxy.local_host,
        port: proxy.local_port,
        proxyProtocol: proxy.proxy_protocol,
        noDelay: proxy.no_delay,
        connectTimeoutMs: proxy.connect_timeout,
        idleTimeoutMs: proxy.idle_timeout ?? defaults.server.limits[proxy.type === 'tcp' ? 'tcpIdleMs' : 'udpIdleMs'],
      },
    }
  })
}
