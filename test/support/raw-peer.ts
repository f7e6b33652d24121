// A peer that speaks TLS and then whatever a test likes: yamux frames by hand, whole or wrong. A slow, plain twin of
// src/transport/yamux for the other end of an attack; it trusts nobody and keeps no rules.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type net from 'node:net'
import tls from 'node:tls'
import { tokenId } from '../../src/base/token.js'
import { prove } from '../../src/control/auth.js'
import type { Address, Link } from '../../src/transport/transport.js'
import { encodeHello, encodeMessage } from '../../src/wire/codec.js'
import type { Message } from '../../src/wire/messages.js'

export const Type = { data: 0, update: 1, ping: 2, goAway: 3 } as const
export const Flag = { syn: 1, ack: 2, fin: 4, rst: 8 } as const

/** version u8, type u8, flags u16, stream u32, length u32 (the payload's unless it is given), payload. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array | number = 0, version = 0) {
  const header = Buffer.alloc(12)
  header.writeUInt8(version, 0)
  header.writeUInt8(type, 1)
  header.writeUInt16BE(flags, 2)
  header.writeUInt32BE(stream, 4)
  header.writeUInt32BE(typeof payload === 'number' ? payload : payload.length, 8)
  return typeof payload === 'number' ? header : Buffer.concat([header, payload])
}

export const data = (stream: number, text: Uint8Array | string, flags = 0): Buffer =>
  frame(Type.data, flags, stream, typeof text === 'string' ? Buffer.from(text, 'latin1') : text)

export interface RawFrame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly length: number
  readonly payload: Buffer
}

export class RawPeer {
  readonly frames: RawFrame[] = []
  /** How the connection ended: 'end' (FIN), an error's code, or 'close'. */
  readonly ended: Promise<string>
  #bytes = Buffer.alloc(0)
  #wake: (() => void)[] = []
  #isOver = false

  constructor(readonly socket: tls.TLSSocket) {
    this.ended = new Promise((resolve) => {
      socket.once('end', () => resolve('end'))
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      socket.once('close', () => {
        this.#isOver = true
        resolve('close')
        this.#wakeAll()
      })
    })
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
  }

  /** Resolves once TLS stands. */
  static async dial(address: Address, options: tls.ConnectionOptions = {}): Promise<RawPeer> {
    const socket = tls.connect({
      host: address.host,
      port: address.port,
      ALPNProtocols: ['petrel/1'],
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      ...options,
    })
    await once(socket, 'secureConnect')
    return new RawPeer(socket)
  }

  write(...pieces: readonly Uint8Array[]): void {
    if (this.socket.writable) this.socket.write(Buffer.concat(pieces))
  }

  /** The bytes of a right hello for this very connection, magic included; role: whose proof it bears. */
  hello(token: string, dialId: Uint8Array = randomBytes(16), role: 'client' | 'server' = 'client'): Buffer {
    const ids = { clientId: Buffer.alloc(16, 1), dialId }
    const link = {
      exportKey: (label: string, context: Uint8Array, bytes: number) =>
        this.socket.exportKeyingMaterial(bytes, label, Buffer.from(context)),
    } as unknown as Link
    return encodeHello({ ...ids, token: { id: tokenId(token), proof: prove(link, token, role, ids) } })
  }

  /** Opens the control stream (1) and proves the token; resolves when the server has accepted. */
  async authenticate(token: string): Promise<void> {
    this.write(data(1, this.hello(token), Flag.syn))
    await this.until(({ type, stream }) => type === Type.data && stream === 1)
  }

  say(...messages: readonly Message[]): void {
    this.write(...messages.map((message) => data(1, encodeMessage(message))))
  }

  /** The first frame, of those that came or will come, that fits. Rejects when the connection ends before. */
  async until(fits: (frame: RawFrame) => boolean): Promise<RawFrame> {
    for (let seen = 0; ; ) {
      for (; seen < this.frames.length; seen++) if (fits(this.frames[seen]!)) return this.frames[seen]!
      if (this.#isOver) throw new Error('the connection ended before such a frame came')
      await new Promise<void>((resolve) => this.#wake.push(resolve))
    }
  }

  /** The code of the peer's go-away. */
  async goAway(): Promise<number> {
    return (await this.until(({ type }) => type === Type.goAway)).length
  }

  /** The code with which the peer reset this stream. */
  async reset(stream: number): Promise<number> {
    const isReset = (frame: RawFrame) => frame.stream === stream && (frame.flags & Flag.rst) !== 0
    return (await this.until(isReset)).length
  }

  /** Everything that came on a stream so far. */
  received(stream: number): Buffer {
    return Buffer.concat(this.frames.filter((f) => f.type === Type.data && f.stream === stream).map((f) => f.payload))
  }

  async destroy(): Promise<void> {
    this.socket.destroy()
    if (!this.#isOver) await once(this.socket, 'close')
  }

  #take(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    while (this.#bytes.length >= 12) {
      const type = this.#bytes.readUInt8(1)
      const length = this.#bytes.readUInt32BE(8)
      const whole = type === Type.data ? 12 + length : 12
      if (this.#bytes.length < whole) break
      const payload = Buffer.from(this.#bytes.subarray(12, whole))
      const flags = this.#bytes.readUInt16BE(2)
      this.frames.push({ type, flags, stream: this.#bytes.readUInt32BE(4), length, payload })
      this.#bytes = this.#bytes.subarray(whole)
    }
    this.#wakeAll()
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}

/** A TLS listener whose connections are RawPeers: a hostile server. */
export async function rawListener(
  credentials: { certificate: string; privateKey: string },
  onPeer: (peer: RawPeer) => void,
  options: tls.TlsOptions = {},
): Promise<{ address: Address; close(): Promise<void> }> {
  const sockets = new Set<net.Socket>()
  const server = tls.createServer({
    cert: credentials.certificate,
    key: credentials.privateKey,
    ALPNProtocols: ['petrel/1'],
    ...options,
  })
  server.on('connection', (socket) => sockets.add(socket))
  server.on('tlsClientError', () => {})
  server.on('secureConnection', (socket) => onPeer(new RawPeer(socket)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: { host: '127.0.0.1', port: (server.address() as net.AddressInfo).port },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
