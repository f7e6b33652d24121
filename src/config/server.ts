// server.yaml and its other layers, to what a server is told.

import { type Profile, profiles } from '../base/limits.js'
import type { AllowedClient, PortRange, ServerLimits } from '../server/options.js'
import type { Credentials, PathSettings, TransportName } from '../transport/transport.js'
import { clientSchema } from './client-schema.js'
import type { LogSettings } from './log-schema.js'
import { pathSettings } from './path-schema.js'
import { configError } from './problem.js'
import { type Given, type Reading, readLayers, variables } from './read.js'
import { readCredentials, readToken, warnWhenOpen } from './secrets.js'
import { type ServerKeys, serverSchema } from './server-schema.js'
import { ownVariables } from './variables.js'

export interface ServerSettings {
  readonly bind: { readonly host: string; readonly port: number }
  /** What the join string names; undefined: found out from the machine's addresses. */
  readonly publicHost: string | undefined
  /** Undefined: every one that this installation has. */
  readonly transports: readonly TransportName[] | undefined
  /** KCP's own; undefined: it shares the port of the others. */
  readonly kcpPort: number | undefined
  readonly path: PathSettings
  /** Undefined: made on first start and kept in the state folder. */
  readonly credentials: Credentials | undefined
  /** Empty: a token is made on first start and kept in the state folder. */
  readonly clients: readonly AllowedClient[]
  readonly ports: PortRange
  readonly proxyBindAddress: string
  readonly limits: ServerLimits
  readonly log: LogSettings
  readonly warnings: readonly string[]
}

const options = {
  alternatives: [['auth_token', 'auth_token_file']],
  otherVariables: new Set([...ownVariables, ...variables(clientSchema)]),
}

/** Throws config_invalid whose message has one line for each problem. */
export function loadServer(given: Given): ServerSettings {
  const reading = readLayers(serverSchema, given, options)
  const keys = reading.settings
  const clients = keys === undefined ? [] : allowedClients(reading, keys)
  const credentials = readCredentials(reading, keys?.tls_cert_file, keys?.tls_key_file)
  if (keys !== undefined && keys.port_range_start > keys.port_range_end) {
    const message = `expected a port from ${keys.port_range_start} (port_range_start) to 65535, found ${keys.port_range_end}`
    reading.problems.push(reading.problem(['port_range_end'], message))
  }
  const inFile = reading.fromFile(['auth_token']) || keys?.allowed_clients.some(({ token }) => token !== undefined)
  if (inFile && given.file !== undefined) warnWhenOpen(reading.warnings, given.file)
  if (reading.problems.length > 0 || keys === undefined) throw configError(reading.problems)
  return {
    bind: { host: keys.bind_addr, port: keys.bind_port },
    publicHost: keys.public_host,
    transports: keys.transports,
    kcpPort: keys.kcp_port,
    path: pathSettings(keys),
    credentials,
    clients,
    ports: { start: keys.port_range_start, end: keys.port_range_end },
    proxyBindAddress: keys.proxy_bind_addr ?? keys.bind_addr,
    limits: serverLimits(keys.limits, profiles[keys.profile]),
    log: keys.log,
    warnings: reading.warnings,
  }
}

function serverLimits(keys: ServerKeys['limits'], { link, handshakeMs }: Profile): ServerLimits {
  return {
    clients: keys.clients,
    proxiesPerClient: keys.proxies_per_client,
    connectionsPerProxy: keys.connections_per_proxy,
    connectionsPerSource: keys.connections_per_source,
    registrationsPerMinute: keys.registrations_per_minute,
    handshakeMs: keys.handshake_timeout ?? handshakeMs,
    handshakes: keys.handshakes,
    handshakesPerNetwork: keys.handshakes_per_network,
    tcpIdleMs: keys.tcp_idle_timeout,
    udpIdleMs: keys.udp_idle_timeout,
    link: {
      streams: keys.link_streams ?? link.streams,
      creditBytes: keys.link_credit ?? link.creditBytes,
      datagramBytes: keys.link_datagrams ?? link.datagramBytes,
    },
  }
}

/** The shared token as a client of its own name, then the list. */
function allowedClients(reading: Reading<ServerKeys>, keys: ServerKeys): AllowedClient[] {
  const clients: AllowedClient[] = []
  const shared = readToken(reading, [], 'auth_token', keys.auth_token, keys.auth_token_file)
  if (shared !== undefined) clients.push({ name: 'token', token: shared })
  for (const [index, client] of keys.allowed_clients.entries()) {
    const made = allowedClient(reading, client, index)
    if (made === undefined) continue
    const path = ['allowed_clients', index]
    if (clients.some(({ name }) => name === made.name)) {
      reading.problems.push(reading.problem([...path, 'name'], `a client named ${made.name} is there already`))
    } else if (made.token !== undefined && clients.some(({ token }) => token === made.token)) {
      reading.problems.push(reading.problem(path, 'another client has this very token: give each its own'))
    } else clients.push(made)
  }
  return clients
}

function allowedClient(
  reading: Reading<ServerKeys>,
  keys: ServerKeys['allowed_clients'][number],
  index: number,
): AllowedClient | undefined {
  const path = ['allowed_clients', index] as const
  const credentials = (['token', 'token_file', 'certificate_pin'] as const).filter((key) => keys[key] !== undefined)
  if (credentials.length !== 1) {
    const found = credentials.length === 0 ? 'none' : credentials.join(' and ')
    reading.problems.push(reading.problem(path, `expected one of token, token_file, certificate_pin; found ${found}`))
    return undefined
  }
  const token = readToken(reading, path, 'token', keys.token, keys.token_file)
  if (token === undefined && keys.certificate_pin === undefined) return undefined
  return {
    name: keys.name,
    ...(token === undefined ? {} : { token }),
    ...(keys.certificate_pin === undefined ? {} : { certificatePin: keys.certificate_pin }),
    ...(keys.allowed_ports === undefined ? {} : { allowedPorts: keys.allowed_ports }),
  }
}
