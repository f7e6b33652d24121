// Random and mutated bytes at a server's port, TCP and UDP, before authentication. Every attack is one short visit;
// a seed chooses them all, so that a run can be repeated.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { seededRandom } from '../../src/cli/demo/random.js'
import { transportByName } from '../../src/transport/index.js'
import type { Address, TransportName } from '../../src/transport/transport.js'
import { token } from './ends.js'
import { data, Flag, frame, RawPeer } from './raw-peer.js'

type Random = () => number

/** What real peers send first, to be changed. */
export interface Samples {
  readonly clientHello: Buffer
  readonly udpPackets: readonly Buffer[]
}

export interface FuzzReport {
  readonly visits: Readonly<Record<string, number>>
  readonly datagrams: number
}

const whole = (random: Random, most: number): number => Math.floor(random() * most)
const pick = <T>(random: Random, of: readonly T[]): T => of[whole(random, of.length)]!

function garbage(random: Random, most: number): Buffer {
  const bytes = Buffer.alloc(whole(random, most))
  for (let at = 0; at < bytes.length; at++) bytes[at] = random() * 256
  return bytes
}

/** Some bytes changed, a piece cut off, or a piece doubled. */
export function mutated(random: Random, original: Uint8Array): Buffer {
  let bytes = Buffer.from(original)
  for (let changes = 1 + whole(random, 4); changes > 0 && bytes.length > 0; changes--) {
    const at = whole(random, bytes.length)
    const kind = whole(random, 8)
    if (kind === 0) bytes = bytes.subarray(0, at)
    else if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes])
    else if (kind === 2) bytes[at] = pick(random, [0, 1, 0x7f, 0x80, 0xff])
    else bytes[at]! ^= 1 << whole(random, 8)
  }
  return bytes
}

/** The first flight of a real TLS client and of a real QUIC client, taken down by listeners that never answer. */
export async function takeSamples(over: TransportName): Promise<Samples> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const caller = tls.connect({
    host: '127.0.0.1',
    port: (server.address() as net.AddressInfo).port,
    ALPNProtocols: ['petrel/1'],
  })
  caller.on('error', () => {})
  const [socket] = (await once(server, 'connection')) as [net.Socket]
  const [clientHello] = (await once(socket, 'data')) as [Buffer]
  caller.destroy()
  socket.destroy()
  server.close()
  return { clientHello, udpPackets: over === 'tls' ? [] : await firstFlight(over) }
}

async function firstFlight(over: TransportName): Promise<Buffer[]> {
  const ear = createSocket('udp4')
  ear.bind(0, '127.0.0.1')
  await once(ear, 'listening')
  const stop = new AbortController()
  const packets: Buffer[] = []
  ear.on('message', (packet) => {
    packets.push(packet)
    if (packets.length === 2) stop.abort()
  })
  const { signal } = stop
  const trust = { kind: 'unverified' } as const
  await transportByName(over)
    .dial({ host: '127.0.0.1', port: ear.address().port }, { trust, signal })
    .catch(() => {})
  ear.close()
  return packets
}

type Attack = (random: Random, to: Address, samples: Samples) => Promise<void>

/** Sends, waits for the end or a moment, breaks off in one of three ways. */
async function visit(random: Random, socket: net.Socket, bytes: Buffer): Promise<void> {
  socket.on('error', () => {}).resume()
  if (bytes.length > 0) socket.write(bytes)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const patience = new Promise<void>((resolve) => setTimeout(resolve, 1 + whole(random, 100)))
  await Promise.race([closed, patience])
  const how = whole(random, 3)
  if (how === 0 && !(socket instanceof tls.TLSSocket)) socket.resetAndDestroy()
  else if (how < 2) socket.destroy()
  else {
    socket.end()
    setTimeout(() => socket.destroy(), 200)
  }
  await closed
}

const withLink =
  (bytes: (random: Random, peer: RawPeer) => Buffer): Attack =>
  async (random, to) => {
    let peer: RawPeer
    try {
      peer = await RawPeer.dial(to)
    } catch {
      return // the door was full
    }
    await visit(random, peer.socket, bytes(random, peer))
  }

const someFrames = (random: Random, count: number): Buffer =>
  Buffer.concat(
    Array.from({ length: count }, () => {
      const payload = random() < 0.5 ? garbage(random, 600) : pick(random, [0, 1, 0xffff, 0x7fff_ffff, 0xffff_ffff])
      const id = pick(random, [0, 1, 1, 2, 3, 5, 0xffff_ffff])
      return frame(whole(random, 5), whole(random, 32), id, payload, random() < 0.02 ? 1 : 0)
    }),
  )

const attacks: Readonly<Record<string, Attack>> = {
  garbage: (random, to) => visit(random, net.connect(to), garbage(random, 4096)),
  'changed ClientHello': (random, to, { clientHello }) => visit(random, net.connect(to), mutated(random, clientHello)),
  'ClientHello in two': (random, to, { clientHello }) =>
    visit(random, net.connect(to), clientHello.subarray(0, whole(random, clientHello.length))),
  'TLS broken off': (random, to) =>
    visit(random, tls.connect({ ...to, ALPNProtocols: ['petrel/1'], rejectUnauthorized: false }), Buffer.alloc(0)),
  'garbage in TLS': withLink((random) => garbage(random, 4096)),
  'yamux frames': withLink((random) => someFrames(random, 1 + whole(random, 60))),
  'changed yamux frames': withLink((random, peer) =>
    mutated(random, Buffer.concat([data(1, peer.hello(token).subarray(0, 40), Flag.syn), someFrames(random, 3)])),
  ),
  // The last byte is never right, so that no change makes it a client's.
  'changed hello': withLink((random, peer) => {
    const hello = peer.hello(token)
    hello[78]! ^= 0xff
    return data(1, mutated(random, hello), Flag.syn)
  }),
  'hello with a tail': withLink((random, peer) => {
    const hello = peer.hello(token)
    hello[47]! ^= 1
    return Buffer.concat([
      data(1, hello, Flag.syn),
      data(1, garbage(random, 3000)),
      data(3, garbage(random, 3000), Flag.syn),
    ])
  }),
}

/** Packets that are half right: a client's first ones changed, other versions, short headers, look-alikes of resets. */
function datagram(random: Random, { udpPackets }: Samples): Buffer {
  const kind = whole(random, 6)
  if (kind === 0 || udpPackets.length === 0) return garbage(random, 1_500)
  if (kind === 1) return mutated(random, pick(random, udpPackets))
  const bytes = Buffer.concat([garbage(random, 1), Buffer.alloc(1_200)])
  for (let at = 0; at < bytes.length; at += 1 + whole(random, 8)) bytes[at] = random() * 256
  if (kind === 5) return kcpLike(random, bytes)
  bytes[0] = kind === 2 ? 0xc0 | whole(random, 64) : kind === 3 ? 0x40 | whole(random, 64) : random() * 256
  bytes.writeUInt32BE(pick(random, [1, 1, 1, 0, 2, 0x6b3343cf, 0xff00001d, 0x0a1a2a3a]), 1)
  bytes[5] = pick(random, [0, 8, 8, 18, 20, 21, 255])
  return bytes
}

/** Its type, and of a first packet the version and the length of the token (native/crates/kcp/PROTOCOL.md). */
function kcpLike(random: Random, bytes: Buffer): Buffer {
  bytes[0] = pick(random, [0x10, 0x10, 0x12, 0x14, 0x15, 0x18, 0x1a, 0x1c])
  bytes.writeUInt32BE(pick(random, [1, 1, 0, 2, 0xffffffff]), 17)
  bytes[29] = pick(random, [0, 0, 36, 128, 255])
  return bytes
}

/** Attacks for so many ms, `atOnce` over TCP at a time beside a stream of datagrams, and comes back when all are over. */
export async function fuzz(
  to: Address,
  samples: Samples,
  options: { seed: number; ms: number; atOnce: number },
): Promise<FuzzReport> {
  const until = performance.now() + options.ms
  const visits: Record<string, number> = {}
  const worker = async (number: number) => {
    const random = seededRandom(options.seed * 1_000 + number)
    while (performance.now() < until) {
      const name = pick(random, Object.keys(attacks))
      visits[name] = (visits[name] ?? 0) + 1
      await attacks[name]!(random, to, samples)
    }
  }
  const workers = Array.from({ length: options.atOnce }, (_, number) => worker(number))
  const [datagrams] = await Promise.all([
    floodDatagrams(to, samples, options.seed, until),
    halfOpen(to, 32, until),
    ...workers,
  ])
  return { visits, datagrams }
}

/** Connections that say nothing, held for the whole time and made again when the server lets go of one. */
async function halfOpen(to: Address, count: number, until: number): Promise<void> {
  const one = async () => {
    while (performance.now() < until) {
      const socket = net
        .connect(to)
        .on('error', () => {})
        .resume()
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
      const timer = setTimeout(() => socket.destroy(), Math.max(0, until - performance.now()))
      await closed
      clearTimeout(timer)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  await Promise.all(Array.from({ length: count }, one))
}

async function floodDatagrams(to: Address, samples: Samples, seed: number, until: number): Promise<number> {
  const random = seededRandom(seed * 1_000 + 999)
  let sent = 0
  while (performance.now() < until) {
    // A new source address from time to time, as a flood has many.
    const socket = createSocket('udp4').on('error', () => {})
    for (let burst = 0; burst < 20 && performance.now() < until; burst++) {
      for (let n = 0; n < 10; n++, sent++) socket.send(datagram(random, samples), to.port, to.host, () => {})
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    socket.close()
  }
  return sent
}
