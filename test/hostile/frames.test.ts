// Yamux frames that no honest peer sends, over real TLS: from a stranger, and from a client that has proved its token.
// Each ends the link, or only its stream, with the code that PROTOCOL.md gives; the healthy client beside goes on.

import test from 'ava'
import { LinkEnd, StreamReset } from '../../src/base/errors.js'
import { transportByName } from '../../src/transport/index.js'
import { encodeHeader } from '../../src/wire/headers.js'
import { MessageType } from '../../src/wire/messages.js'
import { type Ground, startGround } from '../support/ground.js'
import { data, Flag, frame, RawPeer, Type } from '../support/raw-peer.js'
import { readAll, tcpConnect } from '../support/tcp.js'

const { protocol, refused } = LinkEnd
const { syn, fin, rst, ack } = Flag
const many = (count: number, piece: (n: number) => Buffer) =>
  Buffer.concat(Array.from({ length: count }, (_, n) => piece(n)))

interface Row {
  readonly title: string
  readonly bytes: Buffer
  /** Of the go-away that answers. */
  readonly code: number
}

const stranger: readonly Row[] = [
  { title: 'a version that is not 0', bytes: frame(Type.data, syn, 1, 0, 1), code: protocol },
  { title: 'an unknown type', bytes: frame(4, 0, 1), code: protocol },
  { title: 'the last unknown type', bytes: frame(255, 0xffff, 0xffff_ffff, 0xffff_ffff, 255), code: protocol },
  { title: 'data on stream 0', bytes: data(0, 'x'), code: protocol },
  { title: 'a window update on stream 0', bytes: frame(Type.update, syn, 0, 1), code: protocol },
  { title: 'an opening with an even id', bytes: frame(Type.update, syn, 2), code: protocol },
  { title: 'the same opening twice', bytes: many(2, () => frame(Type.update, syn, 1)), code: protocol },
  {
    title: 'a window beyond 32 bits',
    bytes: Buffer.concat([frame(Type.update, syn, 1), frame(Type.update, 0, 1, 0xffff_ffff)]),
    code: protocol,
  },
  { title: 'data after FIN', bytes: Buffer.concat([data(3, 'x', syn | fin), data(3, 'y')]), code: protocol },
  { title: 'FIN twice', bytes: Buffer.concat([data(3, 'x', syn | fin), data(3, '', fin)]), code: protocol },
  { title: '21 pings at once', bytes: many(21, (n) => frame(Type.ping, syn, 0, n)), code: protocol },
  {
    title: '21 answers to pings that nobody asked',
    bytes: many(21, (n) => frame(Type.ping, ack, 0, n)),
    code: protocol,
  },
  { title: '21 empty frames at once', bytes: many(21, () => data(9, '')), code: protocol },
  { title: '101 openings at once', bytes: many(101, (n) => frame(Type.update, syn, 1 + 2 * n)), code: protocol },
  {
    title: '101 streams opened and reset at once',
    bytes: many(101, (n) => Buffer.concat([data(1 + 2 * n, '', syn), frame(Type.update, rst, 1 + 2 * n)])),
    code: protocol,
  },
  { title: '401 window updates at once', bytes: many(401, () => frame(Type.update, 0, 5)), code: protocol },
  {
    title: 'an unknown stream that resets itself for ever',
    bytes: many(500, () => frame(Type.update, rst, 7)),
    code: protocol,
  },
  { title: 'half a header and then nothing', bytes: frame(Type.data, syn, 1).subarray(0, 7), code: refused },
  { title: 'a payload of 4 GiB that never comes', bytes: frame(Type.data, syn, 1, 0xffff_ffff), code: refused },
  { title: 'a stream that it does not speak on', bytes: frame(Type.data, syn, 1), code: refused },
  { title: 'bytes for a stream that never was', bytes: data(77, Buffer.alloc(200_000)), code: refused },
  {
    title: '300 KiB on a stream that nobody reads yet',
    bytes: Buffer.concat([frame(Type.data, syn, 1), data(3, Buffer.alloc(300 * 1024), syn)]),
    code: refused,
  },
]

let ground: Ground
test.before(async () => {
  ground = await startGround([transportByName('tls')], { limits: { handshakeMs: 400 } })
})
test.after.always(() => ground.close())

for (const { title, bytes, code } of stranger) {
  test.serial(`a stranger sends ${title}: the link ends with ${code}`, async (t) => {
    const peer = await RawPeer.dial(ground.server.address)
    peer.write(bytes)
    t.is(await peer.goAway(), code)
    await peer.destroy()
    await ground.assertUnharmed(t)
  })
}

// ---- after a right hello ----

interface ClientRow {
  readonly title: string
  act(peer: RawPeer): void
  /** Of the go-away, or of the reset of a stream; the link stands then. */
  readonly code: number
  readonly resets?: number
}

const clients: readonly ClientRow[] = [
  {
    title: 'a second control stream',
    act: (peer) => peer.write(data(3, peer.hello(ground.token), syn)),
    resets: 3,
    code: StreamReset.protocol,
  },
  {
    title: 'a data stream of its own',
    act: (peer) => peer.write(data(3, encodeHeader({ streamId: 1, proxy: 'healthy-echo', visitor: nobody }), syn)),
    resets: 3,
    code: StreamReset.protocol,
  },
  {
    title: '5,000 streams at once',
    act: (peer) => peer.write(many(5000, (n) => frame(Type.update, syn, 3 + 2 * n))),
    resets: 3 + 2 * 4999,
    code: StreamReset.protocol,
  },
  { title: 'its own hello again', act: (peer) => peer.write(data(1, peer.hello(ground.token))), code: protocol },
  { title: 'an empty message', act: (peer) => peer.write(data(1, '\0\0')), code: protocol },
  { title: 'a message of 16,385 bytes', act: (peer) => peer.write(data(1, '\x40\x01')), code: protocol },
  { title: 'a message of unknown type', act: (peer) => peer.write(data(1, '\0\x01\x7f')), code: protocol },
  { title: 'a heartbeat with a tail', act: (peer) => peer.write(data(1, '\0\x02\x05\x05')), code: protocol },
  { title: 'a server’s word', act: (peer) => peer.say({ type: 'superseded' }), code: protocol },
  {
    title: 'FIN in the middle of a message',
    act: (peer) => peer.write(data(1, '\0\x09\x01', fin)),
    code: protocol,
  },
  { title: 'FIN on its control stream', act: (peer) => peer.write(data(1, '', fin)), code: LinkEnd.normal },
  {
    title: 'a reset of its control stream',
    act: (peer) => peer.write(frame(Type.update, rst, 1, 7)),
    code: LinkEnd.normal,
  },
  {
    title: '201 pings at once',
    act: (peer) => peer.write(many(201, (n) => frame(Type.ping, syn, 0, n))),
    code: protocol,
  },
  {
    title: 'a window beyond 32 bits',
    act: (peer) => peer.write(frame(Type.update, 0, 1, 0xffff_ffff)),
    code: protocol,
  },
]

for (const { title, act, code, resets } of clients) {
  test.serial(
    `a client sends ${title}: ${resets ? `stream ${resets} is reset` : 'the link ends'} with ${code}`,
    async (t) => {
      const peer = await RawPeer.dial(ground.server.address)
      await peer.authenticate(ground.token)
      act(peer)
      if (resets === undefined) t.is(await peer.goAway(), code)
      else {
        t.is(await peer.reset(resets), code)
        peer.say({ type: 'heartbeat' })
        await peer.until(({ payload }) => payload.includes('\0\x01\x85', 0, 'latin1'))
      }
      await peer.destroy()
      await ground.assertUnharmed(t)
    },
  )
}

test.serial('a client that sends past the window of a visitor who does not read loses its link', async (t) => {
  const { peer, visitor, stream } = await withVisitor()
  peer.write(data(stream, Buffer.alloc(8 * 1024 * 1024)))
  t.is(await peer.goAway(), protocol)
  t.is((await readAll(visitor)).how, 'ECONNRESET', 'no clean end')
  await peer.destroy()
  await ground.assertUnharmed(t)
})

test.serial('a client that never reads its control stream ends its own link only', async (t) => {
  const peer = await RawPeer.dial(ground.server.address)
  await peer.authenticate(ground.token)
  peer.write(many(400, () => data(1, Buffer.from('000105'.repeat(2500), 'hex'))))
  t.is(await peer.goAway(), LinkEnd.limit)
  await peer.destroy()
  await ground.assertUnharmed(t)
})

const nobody = { host: '127.0.0.1', port: 1 }

/** An authenticated raw client with one proxy, a visitor of it that does not read, and the stream that it came on. */
async function withVisitor() {
  const peer = await RawPeer.dial(ground.server.address)
  await peer.authenticate(ground.token)
  peer.say({ type: 'register', proxy: 'tcp', name: 'raw', remotePort: 0, localPort: 1, options: {} })
  await peer.until(({ payload }) => payload[2] === MessageType.registered)
  const [session] = ground.server.sessions().filter(({ client }) => client === 'attacker')
  const visitor = await tcpConnect(session?.proxies[0]?.address.port ?? 0)
  const { stream } = await peer.until(({ stream, flags }) => stream > 0 && stream % 2 === 0 && (flags & syn) !== 0)
  peer.write(frame(Type.update, ack, stream))
  return { peer, visitor, stream }
}
