// The addon's calls as TypeScript sees them, and how it is found. What each call does stands in
// native/crates/node/src/lib.rs; what they have in common: handles are numbers, no call waits, and a call with a
// handle that is gone does nothing.

import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { type ErrorCode, isPetrelError, PetrelError } from '../../base/errors.js'
import type { Credentials } from '../transport.js'

export interface AddonProfile {
  /** A packet is lost when so many later ones, or one sent so many round trips later, were acknowledged. */
  readonly reorderPackets: number
  readonly reorderTime: number
  readonly firstPackets: number
  /** Kept until acknowledged, at most. */
  readonly sendBytes: number
  /** Asked of the system for each buffer of a socket. */
  readonly socketBytes: number
  /** Bytes a second. */
  readonly bandwidth?: number
  readonly bandwidthLimit?: number
}

export interface AddonLimits {
  readonly streams: number
  readonly creditBytes: number
  readonly datagramBytes: number
  /** One stream's window while few are open. */
  readonly windowBytes: number
  /** From the first packet to a finished handshake. */
  readonly handshakeMs: number
  /** Silence that ends the link. */
  readonly idleMs: number
  /** Quiet before the peer is asked for a sign of life. */
  readonly keepAliveMs: number
  /** Does not change with the limits. */
  readonly profile: AddonProfile
}

export type NativeProtocol = 'quic' | 'kcp'

export interface Addon {
  start(bell: () => void): void
  stop(): void
  listen(
    protocol: NativeProtocol,
    host: string,
    port: number,
    credentials: Credentials,
    stranger: AddonLimits,
  ): { readonly id: number; readonly port: number }
  renew(listener: number, credentials: Credentials): void
  unlisten(listener: number): void
  dial(
    protocol: NativeProtocol,
    host: string,
    port: number,
    name: string,
    trust: { readonly pin?: Uint8Array; readonly roots?: string },
    credentials: Credentials | undefined,
    limits: AddonLimits,
  ): number
  go(): void
  events(into: Float64Array): number
  reason(link: number): string
  open(link: number): number
  read(link: number, stream: number, into: Uint8Array): number
  took(link: number, stream: number, total: number): void
  write(link: number, stream: number, data: Uint8Array): number
  finish(link: number, stream: number): void
  reset(link: number, stream: number, code: number): void
  release(link: number, stream: number): void
  acknowledged(link: number, stream: number): number
  isComplete(link: number, stream: number): boolean
  maxDatagram(link: number): number
  sendDatagram(link: number, payload: Uint8Array): boolean
  readDatagrams(link: number, into: Uint8Array): number
  raiseLimits(link: number, limits: AddonLimits): void
  closeLink(link: number, code: number, reason: string): void
  releaseLink(link: number): void
  exportKey(link: number, label: Uint8Array, context: Uint8Array, bytes: number): Uint8Array
  peer(link: number): { readonly verified: boolean; readonly pin?: Uint8Array }
  remote(link: number): { readonly host: string; readonly port: number } | null
  stats(link: number, into: Float64Array): boolean
  rebind(link: number): void
  useTcpCongestion(fd: number, name: string): string | null
  readError(fd: number): number | null
  panicForTest(link: number): void
}

/** Kinds of event records, and how many numbers one record has: kind, link, subject, code, who. */
export const eventKind = {
  connected: 1,
  failed: 2,
  incoming: 3,
  stream: 4,
  readable: 5,
  writable: 6,
  reset: 7,
  datagrams: 8,
  mayOpen: 9,
  closed: 10,
  unlistened: 11,
} as const
export const recordNumbers = 5

// From dist/src/transport/native to the root of the package.
const path = fileURLToPath(
  new URL(`../../../../native/petrel.${process.platform}-${process.arch}.node`, import.meta.url),
)

let loaded: Addon | undefined

/** Throws native_missing, which says what to do about it. */
export function loadAddon(): Addon {
  if (process.env.PETREL_NATIVE === 'off') {
    throw missing('the native addon is switched off (PETREL_NATIVE=off)')
  }
  try {
    loaded ??= createRequire(import.meta.url)(path) as Addon
    return loaded
  } catch (cause) {
    throw missing(`the native addon ${path} cannot be loaded`, cause)
  }
}

/** Why quic and kcp cannot be used here (native_missing); undefined: it can. Throws it where PETREL_NATIVE=require asks for it. */
export function missingAddon(): PetrelError | undefined {
  try {
    loadAddon()
    return undefined
  } catch (error) {
    if (!isPetrelError(error, 'native_missing') || process.env.PETREL_NATIVE === 'require') throw error
    return error
  }
}

export const hasAddon = (): boolean => missingAddon() === undefined

const missing = (what: string, cause?: unknown) =>
  new PetrelError(
    'native_missing',
    'us',
    `${what}: install Rust (https://rustup.rs) and run "npm run build", or use the transport tls`,
    { cause },
  )

/** What the addon throws is "code|text". where: goes in front of the text. */
export function addonError(error: unknown, where?: string): PetrelError {
  const [code, text] = (error instanceof Error ? error.message : String(error)).split(/\|(.*)/s)
  const said = (what: string | undefined) => (where === undefined ? `${what}` : `${where}: ${what}`)
  if (text === undefined) return new PetrelError('internal', 'us', said(code), { cause: error })
  return new PetrelError(code as ErrorCode, code === 'closed' ? 'us' : 'config', said(text), { cause: error })
}
