// The messages of the control stream: their shapes and numbers. The bytes are in codec.ts, the prose in PROTOCOL.md.

import type { ErrorCode } from '../base/errors.js'

/** Opens a control stream, once, before anything else. */
export const magic = Buffer.from('GRT1')

export const MessageType = {
  register: 0x01,
  heartbeat: 0x05,
  drain: 0x08,
  accepted: 0x81,
  registered: 0x82,
  refused: 0x83,
  heartbeatReply: 0x85,
  superseded: 0x86,
} as const

export const AuthMethod = { token: 1, mtls: 2 } as const

/** First message of the dialler. clientId and dialId: 16 bytes each. */
export interface Hello {
  readonly clientId: Uint8Array
  readonly dialId: Uint8Array
  /** undefined: mTLS, the certificate speaks. tokenId: 8 bytes; proof: 32 (control/auth.ts). */
  readonly token: { readonly id: Uint8Array; readonly proof: Uint8Array } | undefined
}

export type ProxyKind = 'tcp' | 'udp'

/** Asks for one proxy. Options that are left out are not sent. */
export interface Register {
  readonly type: 'register'
  readonly proxy: ProxyKind
  readonly name: string
  readonly remotePort: number
  readonly localPort: number
  readonly options: RegisterOptions
}

/** What a client may ask of the public side; those left out take the server's defaults. */
export interface RegisterOptions {
  /** The public side's address, for instance 127.0.0.1; else the server's own bind address. */
  readonly bindAddress?: string
  /** CIDR ranges or addresses of visitors. deny wins; with an allow list everybody else is denied. */
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
  /** Visitors (tcp: connections, udp: flows) at once; the server's own cap holds as well. */
  readonly maxConnections?: number
  /** A connection or flow on which nothing moved for so long is ended. */
  readonly idleTimeoutMs?: number
  /** tcp: TCP_NODELAY on visitors' sockets; default true. */
  readonly noDelay?: boolean
}

/** The link is authenticated. sessionId: 16 bytes. proof: 32 bytes with a token, none with mTLS. */
export interface Accepted {
  readonly type: 'accepted'
  readonly sessionId: Uint8Array
  readonly proof: Uint8Array
  /** What the server calls this client. */
  readonly clientName: string
}

/** The public side stands: host is the address bound, port the real one. */
export interface Registered {
  readonly type: 'registered'
  readonly name: string
  readonly host: string
  readonly port: number
}

/** No to one proxy, or with an empty name to the whole link, which is then closed. */
export interface Refused {
  readonly type: 'refused'
  readonly name: string
  readonly code: ErrorCode
  readonly text: string
}

/** Messages without a body. drain: the sender takes nothing new and will close when the last visitor has gone. */
export interface Bare {
  readonly type: 'heartbeat' | 'heartbeatReply' | 'drain' | 'superseded'
}

export type Message = Register | Accepted | Registered | Refused | Bare

/** Refusal codes on the wire. A number that is not listed reads as `internal`. */
export const refusalCodes: Partial<Record<ErrorCode, number>> = {
  auth_failed: 1,
  name_taken: 2,
  port_refused: 3,
  port_taken: 4,
  address_in_use: 5,
  limit_exceeded: 6,
  protocol_violation: 7,
  unsupported: 8,
  draining: 9,
  config_invalid: 10,
  internal: 11,
  timeout: 12,
  dial_taken: 13,
}
