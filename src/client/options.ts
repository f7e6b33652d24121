// What a client is told and what it tells: types only.

import type { PetrelError } from '../base/errors.js'
import type { Profile } from '../base/limits.js'
import type { Log } from '../base/log.js'
import type { Counters, ProxySpec, Service } from '../proxy/proxy.js'
import type { Address, Credentials, LinkStats, Transport, Trust } from '../transport/transport.js'

export interface ClientProxy {
  readonly spec: ProxySpec
  readonly service: Service
}

export interface ClientOptions {
  readonly server: Address
  /** Best first; several are raced, and the first on which both ends have proved themselves carries the session. */
  readonly transports: readonly Transport[]
  /** What the server may use of a link, and how long a handshake may take; `default` when left out. */
  readonly profile?: Profile
  readonly trust: Trust
  readonly serverName?: string
  /** Exactly one of token and credentials. */
  readonly token?: string
  readonly credentials?: Credentials
  /** 16 random bytes of this installation, kept by the command line; with the credential it is the identity. */
  readonly installId: Uint8Array
  readonly proxies: readonly ClientProxy[]
  /** Waits between attempts, jittered: first and longest, ms. */
  readonly reconnect: { readonly firstMs: number; readonly longestMs: number }
  readonly log: Log
  /** With trust `unverified`: called once the server has proved the token, so that its pin can be kept. */
  onPin?(pin: Uint8Array): void
  onState?(state: ClientState): void
}

/** One line of the banner. refused: why this proxy is not served; the others are. */
export interface ServedProxy {
  readonly name: string
  readonly type: string
  readonly public: Address | undefined
  readonly service: Address
  readonly refused: PetrelError | undefined
}

export type ClientState =
  | { readonly state: 'connecting'; readonly attempt: number }
  | { readonly state: 'serving'; readonly transport: string; readonly proxies: readonly ServedProxy[] }
  | { readonly state: 'waiting'; readonly delayMs: number; readonly error: PetrelError }
  | { readonly state: 'ended'; readonly error: PetrelError | undefined }

/** Read when asked for; nothing in it is a secret. */
export interface ClientStatus {
  readonly server: Address
  readonly state: ClientState
  /** undefined: no link at this moment. */
  readonly session: ClientSessionStatus | undefined
}

export interface ClientSessionStatus {
  readonly transport: string
  readonly remote: Address
  readonly since: Date
  readonly link: LinkStats
  /** Of the session's udp flows, all proxies together. */
  readonly flows: Counters
  readonly proxies: readonly ClientProxyStatus[]
}

export interface ClientProxyStatus extends ServedProxy {
  /** Visitors at this moment. */
  readonly active: number
  /** Of a tcp proxy: how the visitors' connections went; of a udp proxy empty. */
  readonly counters: Counters
}

export interface Client {
  readonly state: ClientState
  stats(): LinkStats | undefined
  status(): ClientStatus
  /** Resolves when the client has ended for good: closed (undefined), or an error that no retry mends: auth_failed,
   *  certificate_untrusted, superseded, config_invalid, token_invalid, native_missing, unsupported, or a refusal of
   *  every proxy by name, port or policy. */
  readonly ended: Promise<PetrelError | undefined>
  /** Tells the server, lets visitors finish until graceMs, closes. Settles. */
  close(graceMs?: number): Promise<void>
}
