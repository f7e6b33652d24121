// The messages that carry UDP flows, in datagrams or on the link's flows stream (PROTOCOL.md, "Flows"). Pure.

import { PetrelError } from '../base/errors.js'
import { decodeHeader, NEW_STREAM, type StreamHeader } from './headers.js'

/** u8 type, u32 flow, u16 length. */
export const dataHeaderBytes = 7
/** u8 type, u32 flow, u16 payload number, u8 index, u8 count, u16 length. */
export const pieceHeaderBytes = 11
/** What IPv4 UDP can carry: 65,535 less 20 and 8 of headers. */
export const maxPayloadBytes = 65_507
export const maxPieces = 64

const DATA = 0x03
const CLOSE = 0x04
const PIECE = 0x40
const OPENED = 0x41

/** One of `count` parts of payload `number` of a flow; index: 0 to count - 1. */
export interface Piece {
  readonly flow: number
  /** u16, counts up and wraps; tells the split payloads of one flow apart. */
  readonly number: number
  readonly index: number
  /** 2 to 64. */
  readonly count: number
  /** A view of the bytes that were decoded. */
  readonly part: Uint8Array
}

export type FlowMessage =
  | { readonly type: 'open'; readonly header: StreamHeader }
  | { readonly type: 'data'; readonly flow: number; readonly payload: Uint8Array }
  | ({ readonly type: 'piece' } & Piece)
  | { readonly type: 'close'; readonly flow: number }
  | { readonly type: 'opened'; readonly flow: number }

/** `opening`, an encoded header, goes in front: a datagram that opens its flow as well. */
export function encodeData(flow: number, payload: Uint8Array, opening: Uint8Array = none): Buffer {
  const bytes = Buffer.allocUnsafe(opening.length + dataHeaderBytes + payload.length)
  bytes.set(opening)
  const at = writeStart(bytes, opening.length, DATA, flow)
  bytes.set(payload, bytes.writeUInt16BE(payload.length, at))
  return bytes
}

export function encodePiece(piece: Piece, opening: Uint8Array = none): Buffer {
  const bytes = Buffer.allocUnsafe(opening.length + pieceHeaderBytes + piece.part.length)
  bytes.set(opening)
  let at = writeStart(bytes, opening.length, PIECE, piece.flow)
  at = bytes.writeUInt16BE(piece.number, at)
  at = bytes.writeUInt8(piece.index, at)
  at = bytes.writeUInt8(piece.count, at)
  bytes.set(piece.part, bytes.writeUInt16BE(piece.part.length, at))
  return bytes
}

export const encodeClose = (flow: number): Buffer => short(CLOSE, flow)

export const encodeOpened = (flow: number): Buffer => short(OPENED, flow)

/** Reads the message that begins at `at`; `next` is where the one after it begins. undefined: more bytes are needed.
 *  Payloads are views of `bytes`. Throws protocol_violation. */
export function decodeFlowMessage(bytes: Buffer, at: number): { message: FlowMessage; next: number } | undefined {
  const type = bytes[at]
  if (type === undefined) return undefined
  if (type === NEW_STREAM) {
    const decoded = decodeHeader(bytes.subarray(at))
    return decoded && { message: { type: 'open', header: decoded.header }, next: at + decoded.length }
  }
  if (type !== DATA && type !== PIECE && type !== CLOSE && type !== OPENED) throw violation(`of type ${type}`)
  if (bytes.length < at + 5) return undefined
  const flow = bytes.readUInt32BE(at + 1)
  if (type === CLOSE) return { message: { type: 'close', flow }, next: at + 5 }
  if (type === OPENED) return { message: { type: 'opened', flow }, next: at + 5 }
  return type === DATA ? decodeData(bytes, at, flow) : decodePiece(bytes, at, flow)
}

/** How many bytes, at least, the message that `bytes` begin with has: more than are there while it is cut. */
export function flowMessageBytes(bytes: Buffer): number {
  const isData = bytes[0] === DATA && bytes.length >= dataHeaderBytes
  return isData ? dataHeaderBytes + bytes.readUInt16BE(dataHeaderBytes - 2) : bytes.length + 1
}

function decodeData(bytes: Buffer, at: number, flow: number): { message: FlowMessage; next: number } | undefined {
  const start = at + dataHeaderBytes
  if (bytes.length < start) return undefined
  const length = bytes.readUInt16BE(start - 2)
  if (length > maxPayloadBytes) throw violation(`with a payload of ${length} bytes, the most is ${maxPayloadBytes}`)
  if (bytes.length < start + length) return undefined
  return { message: { type: 'data', flow, payload: bytes.subarray(start, start + length) }, next: start + length }
}

function decodePiece(bytes: Buffer, at: number, flow: number): { message: FlowMessage; next: number } | undefined {
  const start = at + pieceHeaderBytes
  if (bytes.length < start) return undefined
  const [number, index, count] = [bytes.readUInt16BE(at + 5), bytes.readUInt8(at + 7), bytes.readUInt8(at + 8)]
  if (count < 2 || count > maxPieces || index >= count) throw violation(`that is piece ${index} of ${count}`)
  const next = start + bytes.readUInt16BE(start - 2)
  if (bytes.length < next) return undefined
  return { message: { type: 'piece', flow, number, index, count, part: bytes.subarray(start, next) }, next }
}

const none = new Uint8Array()

function writeStart(bytes: Buffer, at: number, type: number, flow: number): number {
  return bytes.writeUInt32BE(flow, bytes.writeUInt8(type, at))
}

function short(type: number, flow: number): Buffer {
  const bytes = Buffer.allocUnsafe(5)
  writeStart(bytes, 0, type, flow)
  return bytes
}

const violation = (what: string): PetrelError =>
  new PetrelError('protocol_violation', 'peer', `the peer sent a flow message ${what} (PROTOCOL.md, "Flows")`)
