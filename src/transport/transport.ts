// How links are made: types and prose only. Every transport keeps these promises; test/transport/compliance.ts
// checks them for each. Nothing above this file knows which transport carries a link.

import type { Duplex } from 'node:stream'
import type { Profile, ProfileName } from '../base/limits.js'

export type TransportName = 'quic' | 'kcp' | 'tls' | 'memory'

/** host: name or address without brackets; port: 0 to 65,535, 0 only to listen on a free one. */
export interface Address {
  readonly host: string
  readonly port: number
}

/**
 * One ordered byte channel. `end()` is FIN; reading goes on after it. Bytes are never lost, doubled or reordered:
 * a stream ends cleanly ('end') only after the peer's FIN and all bytes before it, else with an 'error' whose code is
 * `stream_reset` (the peer reset it; resetCode tells why), `link_lost` (the link ended) or `limit_exceeded`.
 * `destroy()` before both directions have ended is `reset(StreamReset.cancelled)`. A stream whose bytes nobody reads
 * stops at its credit and holds up no other.
 */
export interface Stream extends Duplex {
  /** Of the bytes written here, how many the peer's application has taken. Grows only. */
  readonly acknowledged: number
  /** Ends both directions at once; the peer's stream errors with `stream_reset` and this u32 code. No-op once ended. */
  reset(code: number): void
}

/** Certificate chain and key, PEM. The key is PKCS #8. */
export interface Credentials {
  readonly certificate: string
  readonly privateKey: string
}

/**
 * How the dialler knows its listener. `pin`: SHA-256 (32 bytes) of the public key (SPKI, DER) of the peer's leaf
 * certificate, names and dates not looked at. `ca`: PEM certificates, name checked. `system`: the roots that Node
 * carries or the system trusts, name checked. `unverified`: any; then link.peer.verified is false and the peer must
 * prove itself by a token before it is told anything.
 */
export type Trust =
  | { readonly kind: 'pin'; readonly pin: Uint8Array }
  | { readonly kind: 'ca'; readonly certificates: string }
  | { readonly kind: 'system' }
  | { readonly kind: 'unverified' }

/** What a link may use. Before authentication a listener's links have `limits.link.stranger`. */
export interface LinkLimits {
  /** Streams that the peer may have open at once. One more is reset with StreamReset.limit. */
  readonly streams: number
  /** Bytes that may wait for readers here, all streams of the link together. */
  readonly creditBytes: number
  /** Bytes of received datagrams that may wait to be read; the oldest go first. */
  readonly datagramBytes: number
}

/** What an end is told of the paths of its links; of what it sends itself. Rates: bytes a second. tls has neither the
 *  profile's windows nor the rates: they are the system's there. */
export interface PathSettings {
  readonly profile: Profile
  /** A hint to begin with: what the path is said to take. */
  readonly bandwidth?: number | undefined
  /** No more than this leaves on one link. */
  readonly bandwidthLimit?: number | undefined
}

export interface DialOptions {
  readonly trust: Trust
  /** Our certificate, for mTLS. */
  readonly credentials?: Credentials
  /** The name sent as SNI and checked by `ca` and `system`; else the address's host. */
  readonly serverName?: string
  /** Ends the attempt (error `aborted`); a link that stands is not touched by it. */
  readonly signal?: AbortSignal
  readonly limits?: LinkLimits
}

export interface ListenOptions {
  readonly credentials: Credentials
  readonly signal?: AbortSignal
}

/** Finds and makes links. A client's certificate is always asked for and never required at this floor. */
export interface Transport {
  readonly name: TransportName
  /** Resolves with an encrypted link. Errors: unreachable, timeout, aborted, certificate_untrusted, native_missing. */
  dial(address: Address, options: DialOptions): Promise<Link>
  /** Errors: address_in_use, unreachable (no such local address), config_invalid (credentials), native_missing. */
  listen(address: Address, options: ListenOptions): Promise<Listener>
}

/** Iterates the links that diallers made; handshakes run beside each other and never hold the iterator up. */
export interface Listener extends AsyncIterable<Link> {
  /** Where it really listens: port 0 became a number. */
  readonly address: Address
  /** Takes new credentials for the handshakes that begin from now on. */
  renew(credentials: Credentials): void
  /** Stops listening at once; links that it made live on. Settles when the port is free: at the latest when they
   *  have ended and their farewells have been heard. */
  close(): Promise<void>
}

export interface Peer {
  /** dialler: whether pin, ca or system roots vouched for the listener. listener: whether a certificate was shown. */
  readonly verified: boolean
  /** SHA-256 (32 bytes) of the SPKI of the certificate that the peer showed and proved to own. */
  readonly pin: Uint8Array | undefined
}

/** Why a link ended. `network`: silence, or the carrier broke. code: a number of LinkEnd. */
export interface LinkClosed {
  readonly by: 'us' | 'peer' | 'network'
  readonly code: number
  readonly reason: string
}

export interface LinkStats {
  /** Milliseconds; undefined where the transport does not know (yet). */
  readonly rttMs: number | undefined
  readonly minRttMs: number | undefined
  /** Lost of sent packets, 0 to 1, of about the last seconds; undefined on TCP. */
  readonly lossRatio: number | undefined
  /** Bytes a second that the path delivered lately; undefined where not known. */
  readonly deliveryRate: number | undefined
  readonly cwndBytes: number | undefined
  readonly mtuBytes: number | undefined
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly sentPackets: number | undefined
  readonly lostPackets: number | undefined
  readonly openStreams: number
  /** Datagrams that this side dropped because a queue was full; undefined where the transport has none. */
  readonly droppedDatagrams: number | undefined
  /** The system's name of what paces this side's TCP ("bbr", "cubic"); undefined: not TCP, or not known. */
  readonly congestionControl: string | undefined
  /** What this end was told of its path; undefined: nothing. */
  readonly profile: ProfileName | undefined
  /** Bytes a second; tls keeps to neither. */
  readonly bandwidth: number | undefined
  readonly bandwidthLimit: number | undefined
}

/** Iterates the streams that the peer opened, each once; ends when the link has ended. One reader. */
export interface Link extends AsyncIterable<Stream> {
  readonly role: 'dialer' | 'listener'
  readonly transport: TransportName
  readonly remote: Address
  readonly peer: Peer
  readonly datagrams: Datagrams | undefined
  /** Resolves when the link has ended and all of its streams have; never rejects. */
  readonly closed: Promise<LinkClosed>
  /** No round trip. Waits while the peer allows no more streams. Errors: link_lost, closed, aborted. */
  open(signal?: AbortSignal): Promise<Stream>
  /** RFC 8446 §7.5 exporter of this very TLS session. bytes: 1 to 255. Both ends get the same bytes. */
  exportKey(label: string, context: Uint8Array, bytes: number): Uint8Array
  /** Called once the peer has proved who it is. Limits only grow. */
  raiseLimits(limits: LinkLimits): void
  /** Tells the peer, ends every stream with `link_lost`, settles within limits.link.closeMs. Idempotent. */
  close(reason?: { readonly code: number; readonly reason: string }): Promise<void>
  stats(): LinkStats
}

/** Unordered, unreliable messages; iterates batches, one a wake-up, each payload a buffer that the reader owns. */
export interface Datagrams extends AsyncIterable<readonly Uint8Array[]> {
  /** The largest payload that the path takes now, bytes; may change during the life of the link. */
  readonly maxBytes: number
  /** The payload is copied. false: dropped, because the queue is full, it is larger than maxBytes, or the link ended. */
  send(payload: Uint8Array): boolean
}
