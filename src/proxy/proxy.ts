// What a proxy is: types only. Each has two halves: `expose` on the server (tcp.ts, udp.ts), and on the client `serve`
// (tcp.ts) or `serveFlows` (serve-flows.ts). Neither knows a socket of the other side, a transport or a file.

import type { Ending } from '../base/ending.js'
import type { Line } from '../base/log.js'
import type { Address, Stream } from '../transport/transport.js'
import type { StreamHeader } from '../wire/headers.js'
import type { ProxyKind, RegisterOptions } from '../wire/messages.js'
import type { PumpEnd } from './pump.js'

export type { ProxyKind, StreamHeader }

/** What the client asks the server to open; travels in `register`. */
export interface ProxySpec extends RegisterOptions {
  readonly type: ProxyKind
  /** 1 to 64 characters of [a-zA-Z0-9._-]; unique in a session and on the server. */
  readonly name: string
  /** The public port; 0: any free one of the server's range. */
  readonly remotePort: number
  /** For logs and status only: the server never dials it. */
  readonly localPort: number
}

/** Where the client takes a proxy's visitors. */
export interface Service {
  readonly host: string
  readonly port: number
  /** tcp: a PROXY protocol v2 header with the visitor's address goes before the first byte. */
  readonly proxyProtocol: boolean
  readonly noDelay: boolean
  readonly connectTimeoutMs: number
  /** A connection or flow on which nothing moved for so long is ended. */
  readonly idleTimeoutMs: number
}

/** Opens data streams and flows to the client of one session. Errors: link_lost, closed, limit_exceeded. */
export interface StreamOpener {
  /** No round trip: resolves with a stream on which the header has been written. */
  open(proxy: string, visitor: Address, signal?: AbortSignal): Promise<Stream>
  readonly flows: Flows
}

/** What `makeOpener(link)` (opener.ts) gives the server: the one reader of the link's datagrams. */
export interface LinkOpener extends StreamOpener {
  readonly flowCounters: Counters
  /** Ends every flow of the link; streams live on. Done by itself when the link ends. */
  close(): void
}

/** What `serveFlows({ link, lookup, log })` (serve-flows.ts) gives the client: the one reader of the link's datagrams. */
export interface LocalFlows {
  readonly counters: Counters
  /** Flows at this moment. */
  readonly active: number
  /** Those of one proxy. */
  activeOf(proxy: string): number
  /** Takes a stream whose header names no proxy (header.proxy === ''): it carries the link's flows. */
  takeStream(stream: Stream): void
  /** Ends every flow at once. Settles when every socket is closed. Done by itself when the link ends. */
  close(): Promise<void>
}

/** What `serve` (tcp.ts) is told of one stream that the server opened. */
export interface ServeOptions {
  readonly stream: Stream
  readonly header: StreamHeader
  readonly service: Service
  /** Ends the connection at once. */
  readonly ending?: Ending
  readonly log: Line
}

/** How a visitor's connection ended on the client; `socket` is the service's. unreachable: there was no service. */
export type ServeEnd = PumpEnd['how'] | 'unreachable'

/** UDP flows of one link, both ways, as the server sees them: it alone opens them (see LocalFlows for the client). */
export interface Flows {
  /** Opens a flow; its first payload carries the opening, so nothing is sent here. */
  open(proxy: string, visitor: Address, events: FlowEvents): Flow
}

export interface FlowEvents {
  /** One whole payload of the peer, 0 to 65,507 bytes; the buffer is the callee's. */
  payload(bytes: Uint8Array): void
  /** The peer closed the flow, or the link ended. Nothing comes after it. */
  closed(): void
}

export interface Flow {
  /** Takes one payload, 0 to 65,507 bytes, copied. It may be lost; the counters say when we dropped it. */
  send(payload: Uint8Array): void
  /** Tells the peer; idempotent. */
  close(): void
}

/** Counts of what was dropped and why; plain numbers so that status and metrics can read them. */
export interface Counters {
  readonly [name: string]: number
}

/** What the server gives to `expose`: where to listen and what holds for every proxy. */
export interface PublicSide {
  /** Where proxies listen that name no address of their own. */
  readonly bindAddress: string
  /** The port to open, chosen by the registry: never 0 unless any free port of the system will do (tests). */
  readonly port: number
  readonly limits: PublicLimits
  readonly log: Line
}

export interface PublicLimits {
  /** Visitors at once, per proxy and per source address. */
  readonly maxConnections: number
  readonly maxConnectionsPerSource: number
  readonly idleTimeoutMs: number
}

/** An open public port. */
export interface Exposure {
  readonly address: Address
  readonly counters: Counters
  /** Visitors at this moment. */
  readonly active: number
  /** Takes no new visitor; resolves when the last has gone, or at once for what remains when the signal fires. Flows
   *  are not waited for. */
  drain(signal: AbortSignal): Promise<void>
  /** Ends every visitor at once. Settles when all is closed. */
  close(): Promise<void>
}

/** One type of proxy, both halves. */
export interface ProxyType {
  readonly type: ProxyKind
  /** Server half. Errors: address_in_use, port_refused (the system forbids it), config_invalid (addresses). */
  expose(spec: ProxySpec, to: StreamOpener, on: PublicSide): Promise<Exposure>
}
