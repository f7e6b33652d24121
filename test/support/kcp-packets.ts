// Packets of a sealed KCP link as strangers can make them (native/crates/kcp/PROTOCOL.md, "Packets"): those that need no
// key, and first packets, whose keys everybody can derive from the id in them (RFC 9001 §5.2).

import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'

export const Type = { initial: 0x10, handshake: 0x12, data: 0x14, retry: 0x18, versions: 0x1a, reset: 0x1c } as const

export const firstPacketBytes = 1200
const headerBytes = 17
const tagBytes = 16
/** Of QUIC version 1, RFC 9001 §5.2. */
const salt = Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex')

interface Keys {
  readonly key: Buffer
  readonly iv: Buffer
}

export interface FirstPacket {
  readonly to: Buffer
  readonly from: Buffer
  readonly counter: bigint
  /** What is sealed; a token there is none. */
  readonly frames: Buffer
}

const hmac = (key: Uint8Array, ...pieces: readonly Uint8Array[]): Buffer => {
  const made = createHmac('sha256', key)
  for (const piece of pieces) made.update(piece)
  return made.digest()
}

/** HKDF-Expand-Label of RFC 8446 §7.1 without a context, for what fits in one round. */
function expand(secret: Buffer, label: string, bytes: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`)
  const info = Buffer.concat([Buffer.from([0, bytes, name.length]), name, Buffer.from([0, 1])])
  return hmac(secret, info).subarray(0, bytes)
}

/** Of a dialler's packets to this id. */
function diallersKeys(to: Buffer): Keys {
  const client = expand(hmac(salt, to), 'client in', 32)
  return { key: expand(client, 'quic key', 16), iv: expand(client, 'quic iv', 12) }
}

function nonce(iv: Buffer, counter: bigint): Buffer {
  const made = Buffer.from(iv)
  made.writeBigUInt64BE(made.readBigUInt64BE(4) ^ counter, 4)
  return made
}

export function sealFirst({ to, from, counter, frames }: FirstPacket): Buffer {
  const header = firstHeader(to, from, counter)
  const { key, iv } = diallersKeys(to)
  const cipher = createCipheriv('aes-128-gcm', key, nonce(iv, counter)).setAAD(header)
  return Buffer.concat([header, cipher.update(frames), cipher.final(), cipher.getAuthTag()])
}

/** Throws where the packet is none, or was not sealed with these keys. */
export function openFirst(packet: Buffer): FirstPacket {
  const [to, counter, from] = [packet.subarray(1, 9), packet.readBigUInt64BE(9), packet.subarray(21, 29)]
  const header = packet.subarray(0, headerBytes + 13)
  if (packet[0] !== Type.initial || header.at(-1) !== 0) throw new Error('no first packet without a token')
  const { key, iv } = diallersKeys(to)
  const decipher = createDecipheriv('aes-128-gcm', key, nonce(iv, counter)).setAAD(header)
  decipher.setAuthTag(packet.subarray(-tagBytes))
  const frames = Buffer.concat([decipher.update(packet.subarray(header.length, -tagBytes)), decipher.final()])
  return { to, from, counter, frames }
}

/** Right in length, type and version, and sealed by nobody. */
export function unsealedFirst(): Buffer {
  return Buffer.concat([
    firstHeader(randomBytes(8), randomBytes(8), 0n),
    randomBytes(firstPacketBytes - headerBytes - 13),
  ])
}

function firstHeader(to: Buffer, from: Buffer, counter: bigint): Buffer {
  const header = Buffer.alloc(headerBytes + 13)
  header[0] = Type.initial
  to.copy(header, 1)
  header.writeBigUInt64BE(counter, 9)
  header.writeUInt32BE(1, 17)
  from.copy(header, 21)
  return header
}

/** Retry, version negotiation and reset as one makes them who may know both ids but no secret. own: the receiver's. */
export function forgedAnswers(own: Buffer, other: Buffer): readonly Buffer[] {
  return [
    Buffer.concat([Buffer.from([Type.retry]), own, randomBytes(8 + 60)]),
    Buffer.concat([Buffer.from([Type.versions]), own, other, Buffer.from([0, 0, 0, 9])]),
    Buffer.concat([Buffer.from([Type.reset]), other, randomBytes(16)]),
    Buffer.concat([Buffer.from([Type.reset]), own, randomBytes(16)]),
  ]
}

const handshake = new Map<number, string>([
  [Type.initial, 'kcp initial'],
  [Type.handshake, 'kcp handshake'],
  [Type.retry, 'kcp retry'],
])

/** What a server said to a stranger. */
export function answerKind(packet: Buffer): string {
  const first = packet[0]!
  const begun = handshake.get(first)
  if (begun !== undefined) return begun
  if (first === Type.versions) return 'kcp versions'
  if (first === Type.reset && packet.length === 25) return 'kcp reset'
  if ((first & 0x80) !== 0 && packet.length > 5 && packet.readUInt32BE(1) === 0) return 'quic versions'
  if ((first & 0xc0) === 0x40) return 'quic reset'
  return `something else, ${first.toString(16)}`
}
