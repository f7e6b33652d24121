// Yamux frames on the wire. Source: hashicorp/yamux, spec.md, "Framing". Every number of the protocol stands here.
// One addition of ours, `grow`, which a peer that does not know it may ignore.

import { PetrelError } from '../../base/errors.js'

export const headerBytes = 12

export const FrameType = { data: 0, windowUpdate: 1, ping: 2, goAway: 3 } as const

export const Flag = {
  syn: 1, // opens a stream; on a ping: asks
  ack: 2, // accepts a stream; on a ping: answers
  fin: 4, // half-close
  rst: 8, // ends both directions; the length of a window update that carries it is our reset code
  grow: 16, // ours: this update widens the window, it does not say that bytes were taken
} as const

/** What both ends allow on a new stream before any update. Source: spec, "Flow Control". */
export const initialWindowBytes = 256 * 1024

export interface Header {
  type: number
  flags: number
  stream: number
  length: number
}

/** Writes one header: version 0 u8, type u8, flags u16be, stream u32be, length u32be. */
export function writeHeader(into: Uint8Array, at: number, type: number, flags: number, stream: number, length: number) {
  into[at] = 0
  into[at + 1] = type
  into[at + 2] = flags >>> 8
  into[at + 3] = flags
  into[at + 4] = stream >>> 24
  into[at + 5] = stream >>> 16
  into[at + 6] = stream >>> 8
  into[at + 7] = stream
  into[at + 8] = length >>> 24
  into[at + 9] = length >>> 16
  into[at + 10] = length >>> 8
  into[at + 11] = length
}

const u32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0

/** Reads the 12 bytes at `at` into header. Throws protocol_violation on an unknown version or type. */
export function readHeader(bytes: Uint8Array, at: number, header: Header): void {
  if (bytes[at] !== 0) throw violation(`version ${bytes[at]} is not 0`)
  if (bytes[at + 1]! > FrameType.goAway) throw violation(`frame type ${bytes[at + 1]} is unknown`)
  header.type = bytes[at + 1]!
  header.flags = (bytes[at + 2]! << 8) | bytes[at + 3]!
  header.stream = u32(bytes, at + 4)
  header.length = u32(bytes, at + 8)
}

export const violation = (what: string): PetrelError =>
  new PetrelError('protocol_violation', 'peer', `yamux: ${what}; the link ends`)
