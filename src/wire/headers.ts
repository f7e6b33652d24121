// The header of every data stream, and of a flow's opening (PROTOCOL.md, "Streams"): bytes <-> StreamHeader. Pure;
// proxy/headers.ts reads one from a stream.

import { PetrelError } from '../base/errors.js'
import { ipFromBytes, ipToBytes } from '../base/ip.js'
import { longestNameBytes, namePattern } from '../base/names.js'

/** Raw bytes of the visitor follow it. `proxy` is empty for the stream that carries a link's flows. */
export interface StreamHeader {
  /** u32, unique among the streams and flows that one side opened on a link. */
  readonly streamId: number
  /** 0 to 64 characters of [a-zA-Z0-9._-]. */
  readonly proxy: string
  /** An IP address, never a name; a zone does not travel. */
  readonly visitor: { readonly host: string; readonly port: number }
}

export const NEW_STREAM = 0x02

/** type u8, streamID u32, nameLength u8, name of 64, family u8, IPv6 address, port u16. */
export const maxHeaderBytes = 1 + 4 + 1 + longestNameBytes + 1 + 16 + 2

/** Throws internal when the name is too long or the visitor's host is no IP address. */
export function encodeHeader({ streamId, proxy, visitor }: StreamHeader): Buffer {
  const address = ipToBytes(visitor.host)
  if (address === undefined || !isName(proxy)) {
    throw new PetrelError('internal', 'us', `no stream header for proxy "${proxy}", visitor "${visitor.host}"`)
  }
  const bytes = Buffer.allocUnsafe(9 + proxy.length + address.length)
  let at = bytes.writeUInt8(NEW_STREAM, 0)
  at = bytes.writeUInt32BE(streamId, at)
  at = bytes.writeUInt8(proxy.length, at)
  at += bytes.write(proxy, at, 'latin1')
  at = bytes.writeUInt8(address.length === 4 ? 4 : 6, at)
  bytes.set(address, at)
  bytes.writeUInt16BE(visitor.port, at + address.length)
  return bytes
}

/** Reads the header that `bytes` begin with; `length` is where the bytes after it begin. undefined: more bytes are
 *  needed. Throws protocol_violation as soon as the bytes can be no header. */
export function decodeHeader(bytes: Uint8Array): { header: StreamHeader; length: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 1) return undefined
  if (bytes[0] !== NEW_STREAM) throw violation(`a stream that begins with 0x${bytes[0]!.toString(16)}`)
  if (bytes.length < 6) return undefined
  const nameEnd = 6 + bytes[5]!
  if (nameEnd > 6 + longestNameBytes)
    throw violation(`a proxy name of ${bytes[5]} bytes, the most is ${longestNameBytes}`)
  if (bytes.length < nameEnd + 1) return undefined
  const proxy = Buffer.from(bytes.buffer, bytes.byteOffset + 6, nameEnd - 6).toString('latin1')
  if (!isName(proxy)) throw violation('a proxy name with characters outside [a-zA-Z0-9._-]')
  const family = bytes[nameEnd]
  if (family !== 4 && family !== 6) throw violation(`address family ${family}, known are 4 and 6`)
  const portAt = nameEnd + 1 + (family === 4 ? 4 : 16)
  if (bytes.length < portAt + 2) return undefined
  const host = ipFromBytes(bytes.subarray(nameEnd + 1, portAt))
  const header = { streamId: view.getUint32(1), proxy, visitor: { host, port: view.getUint16(portAt) } }
  return { header, length: portAt + 2 }
}

/** A proxy's name, or none. */
const isName = (text: string): boolean => text === '' || namePattern.test(text)

const violation = (what: string): PetrelError =>
  new PetrelError('protocol_violation', 'peer', `the peer sent ${what} (PROTOCOL.md, "Streams")`)
