// What a server is told: types only. config/ makes one from YAML, a library user writes one by hand.

import type { Log } from '../base/log.js'
import type { AllowedClient, PortRange } from '../control/policy.js'
import type { Counters } from '../proxy/proxy.js'
import type { Address, Credentials, LinkLimits, LinkStats, Transport } from '../transport/transport.js'

export type { AllowedClient, PortRange } from '../control/policy.js'

export interface ServerLimits {
  readonly clients: number
  readonly proxiesPerClient: number
  /** Visitors at once: of one proxy, and of one source address of a proxy. */
  readonly connectionsPerProxy: number
  readonly connectionsPerSource: number
  /** Register messages a minute, per session. */
  readonly registrationsPerMinute: number
  readonly handshakeMs: number
  /** Links that may be in their handshake at once, in all and per /24 (IPv4) or /64 (IPv6). */
  readonly handshakes: number
  readonly handshakesPerNetwork: number
  readonly tcpIdleMs: number
  readonly udpIdleMs: number
  readonly link: LinkLimits
}

export interface ServerOptions {
  /** Where links are accepted: the same address for every transport, TCP and UDP. */
  readonly bind: Address
  readonly transports: readonly Transport[]
  readonly credentials: Credentials
  readonly clients: readonly AllowedClient[]
  /** Where public ports are taken from. */
  readonly ports: PortRange
  /** The side on which visitors come, unless a proxy names another. */
  readonly proxyBindAddress: string
  readonly limits: ServerLimits
  readonly log: Log
}

/** Read when asked for; nothing in it is a secret. */
export interface SessionStatus {
  readonly client: string
  readonly transport: string
  readonly remote: Address
  readonly since: Date
  readonly link: LinkStats
  /** Of the session's udp flows, all proxies together. */
  readonly flows: Counters
  readonly proxies: readonly ProxyStatus[]
}

export interface ProxyStatus {
  readonly name: string
  readonly type: string
  readonly address: Address
  /** The port of the service, as the client says. */
  readonly localPort: number
  /** Visitors at this moment. */
  readonly active: number
  readonly counters: Counters
}

export interface Server {
  /** Where links are accepted, port 0 resolved. */
  readonly address: Address
  /** SHA-256 of the SPKI of the server's certificate: what a client pins. */
  readonly pin: Uint8Array
  sessions(): readonly SessionStatus[]
  /** Takes clients, ports, limits and credentials whole, or throws config_invalid and keeps the old ones (bind and
   *  transports cannot change). Sessions of identities no longer allowed are closed within 5 s. */
  reload(options: ServerOptions): Promise<void>
  /** Drains (visitors may finish until graceMs), then closes everything. Settles. */
  close(graceMs?: number): Promise<void>
}
