// What a server is told: types only. config/ makes one from YAML, a library user writes one by hand.

import type { Log } from '../base/log.js'
import type { Address, Credentials, LinkLimits, Transport } from '../transport/transport.js'

/** A client that may come, and what it may open. Exactly one of token and certificatePin is set. */
export interface AllowedClient {
  /** Shown in logs and status; unique. */
  readonly name: string
  /** In the format of `petrel token`. Several installs may share one; each is an identity of its own. */
  readonly token?: string
  /** SHA-256 (32 bytes) of the SPKI of the client's certificate (mTLS). */
  readonly certificatePin?: Uint8Array
  /** Public ports that it may ask for; left out: the server's port range. Below 1024 only when listed here. */
  readonly allowedPorts?: readonly PortRange[]
}

/** Both ends included. */
export interface PortRange {
  readonly start: number
  readonly end: number
}

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

export interface SessionStatus {
  readonly client: string
  readonly transport: string
  readonly remote: Address
  readonly since: Date
  readonly proxies: readonly ProxyStatus[]
}

export interface ProxyStatus {
  readonly name: string
  readonly type: string
  readonly address: Address
  readonly active: number
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
