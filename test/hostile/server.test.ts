// A hostile server: what a client hears from it, and that the client ends, dials again or goes on, but never falls.

import test, { type ExecutionContext } from 'ava'
import { type ErrorCode, LinkEnd, StreamReset } from '../../src/base/errors.js'
import { prove } from '../../src/control/auth.js'
import { transportByName } from '../../src/transport/index.js'
import type { Link } from '../../src/transport/transport.js'
import { decodeHello, encodeMessage } from '../../src/wire/codec.js'
import { encodeHeader } from '../../src/wire/headers.js'
import type { Message } from '../../src/wire/messages.js'
import { makeCredentials } from '../support/credentials.js'
import { deferred } from '../support/deferred.js'
import { clientOptions, tcpProxy, token, watchClient } from '../support/ends.js'
import { data, Flag, frame, type RawPeer, rawListener, Type } from '../support/raw-peer.js'
import { tcpServer } from '../support/tcp.js'

const { syn, fin, rst, ack } = Flag
const tls = transportByName('tls')
const credentials = await makeCredentials()
const visitor = { host: '192.0.2.1', port: 7 }

/** Accepts a client with a right proof and registers its one proxy "echo"; the rest is the row's. */
async function accept(peer: RawPeer): Promise<void> {
  await peer.until(() => peer.received(1).length >= 79)
  const hello = decodeHello(peer.received(1).subarray(6, 79))
  const link = {
    exportKey: (label: string, context: Uint8Array, bytes: number) =>
      peer.socket.exportKeyingMaterial(bytes, label, Buffer.from(context)),
  } as unknown as Link
  const proof = prove(link, token, 'server', hello)
  say(peer, { type: 'accepted', sessionId: Buffer.alloc(16), proof, clientName: 'boat' })
}

const say = (peer: RawPeer, ...messages: readonly Message[]): void =>
  peer.write(...messages.map((message) => data(1, encodeMessage(message))))
const registered: Message = { type: 'registered', name: 'echo', host: '127.0.0.1', port: 20_000 }
const opened = (stream: number, bytes: Uint8Array | string = header('echo')) => data(stream, bytes, syn)
const header = (proxy: string) => encodeHeader({ streamId: 1, proxy, visitor })

interface Row {
  readonly title: string
  /** Before or instead of accepting. */
  act(peer: RawPeer): unknown
  /** Of the client's first wait or of its end. */
  readonly code: ErrorCode
  readonly stops?: boolean
}

const early: readonly Row[] = [
  { title: 'closes at once', act: (peer) => peer.socket.destroy(), code: 'link_lost' },
  {
    title: 'resets the control stream',
    act: (peer) => peer.write(frame(Type.update, rst, 1, 9)),
    code: 'stream_reset',
  },
  { title: 'ends the control stream', act: (peer) => peer.write(data(1, '', fin)), code: 'link_lost' },
  { title: 'says superseded first', act: (peer) => say(peer, { type: 'superseded' }), code: 'protocol_violation' },
  { title: 'says registered first', act: (peer) => say(peer, registered), code: 'protocol_violation' },
  { title: 'sends a hello back', act: (peer) => peer.write(data(1, 'GRT1\0\0')), code: 'protocol_violation' },
  { title: 'sends an empty message', act: (peer) => peer.write(data(1, '\0\0')), code: 'protocol_violation' },
  {
    title: 'sends half a message and ends',
    act: (peer) => peer.write(data(1, '\0\x09\x81', fin)),
    code: 'protocol_violation',
  },
  { title: 'sends a frame of yamux version 9', act: (peer) => peer.write(frame(0, 0, 1, 0, 9)), code: 'link_lost' },
  { title: 'goes away as if done', act: (peer) => peer.socket.end(frame(Type.goAway, 0, 0, 0)), code: 'link_lost' },
  {
    title: 'goes away as superseded',
    act: (peer) => peer.write(frame(Type.goAway, 0, 0, LinkEnd.superseded)),
    code: 'superseded',
    stops: true,
  },
  {
    title: 'goes away with an unknown code',
    act: (peer) => peer.write(frame(Type.goAway, 0, 0, 0xffff_ffff)),
    code: 'link_lost',
  },
  {
    title: 'proves nothing',
    act: (peer) =>
      say(peer, { type: 'accepted', sessionId: Buffer.alloc(16), proof: Buffer.alloc(0), clientName: 'x' }),
    code: 'auth_failed',
    stops: true,
  },
  {
    title: 'says that another link of the dial is there',
    act: (peer) => say(peer, { type: 'refused', name: '', code: 'dial_taken', text: 'not so' }),
    code: 'dial_taken',
  },
  {
    title: 'refuses with a code that nobody knows',
    act: (peer) => peer.write(data(1, Buffer.from('0006 83 ffff 00 0000'.replaceAll(' ', ''), 'hex'))),
    code: 'internal',
  },
  {
    title: 'answers for proxies that nobody asked for',
    act: async (peer) => {
      await accept(peer)
      say(peer, { ...registered, name: 'not-mine' })
    },
    code: 'protocol_violation',
  },
  {
    title: 'accepts and then breaks the protocol',
    act: async (peer) => {
      await accept(peer)
      say(peer, registered, { type: 'register', proxy: 'tcp', name: 'x', remotePort: 0, localPort: 0, options: {} })
    },
    code: 'protocol_violation',
  },
]

async function hostile(t: ExecutionContext, act: (peer: RawPeer) => unknown) {
  const met = deferred<RawPeer>()
  const listener = await rawListener(credentials, (peer) => {
    met.resolve(peer)
    void act(peer)
  })
  t.teardown(() => listener.close())
  const service = await tcpServer((socket) => socket.pause())
  t.teardown(() => service.close())
  const proxies = [tcpProxy('echo', service.port)]
  const watched = watchClient(
    clientOptions(listener.address, tls, credentials.pin, { proxies, reconnect: { firstMs: 5_000, longestMs: 5_000 } }),
  )
  t.teardown(() => watched.client.close())
  return { ...watched, met: met.promise }
}

for (const { title, act, code, stops } of early) {
  test(`a server that ${title}: the client ${stops ? 'stops' : 'waits'} with ${code}`, async (t) => {
    const { client, until } = await hostile(t, act)
    t.is(stops ? (await client.ended)?.code : (await until('waiting')).error.code, code)
  })
}

interface StreamRow {
  readonly title: string
  readonly bytes: Buffer
  /** The reset of stream 2; undefined: the go-away with code protocol. */
  readonly resets?: number
}

const streams: readonly StreamRow[] = [
  { title: 'for a proxy that is not served', bytes: opened(2, header('ghost')), resets: StreamReset.unknownProxy },
  { title: 'that begins with something else', bytes: opened(2, 'GET / HTTP/1.1'), resets: StreamReset.protocol },
  {
    title: 'whose name has 65 characters',
    bytes: opened(2, Buffer.from('020000000141'.padEnd(150, '61'), 'hex')),
    resets: StreamReset.protocol,
  },
  {
    title: 'with address family 5',
    bytes: opened(2, Buffer.from('02000000010161050000', 'hex')),
    resets: StreamReset.protocol,
  },
  {
    title: 'cut in its header by FIN',
    bytes: data(2, header('echo').subarray(0, 7), syn | fin),
    resets: StreamReset.protocol,
  },
  { title: 'with an odd id', bytes: opened(3) },
  {
    title: 'with 20 MiB that the service does not read',
    bytes: Buffer.concat([opened(2), data(2, Buffer.alloc(20 << 20))]),
  },
]

for (const { title, bytes, resets } of streams) {
  const answer = resets === undefined ? 'a go-away' : `reset ${resets}`
  test(`a server that opens a stream ${title} gets ${answer}, and the client lives`, async (t) => {
    const { client, until, met } = await hostile(t, async (peer) => {
      await accept(peer)
      say(peer, registered)
    })
    await until('serving')
    const peer = await met
    peer.write(bytes)
    if (resets === undefined) {
      t.is(await peer.goAway(), LinkEnd.protocol)
      await until('waiting')
    } else {
      t.is(await peer.reset(2), resets)
      peer.write(opened(4))
      await peer.until((seen) => seen.stream === 4 && (seen.flags & ack) !== 0)
      t.is(client.state.state, 'serving')
    }
  })
}

test('a server that opens and resets 20,000 streams leaves the client as it was', async (t) => {
  const { client, until, met } = await hostile(t, async (peer) => {
    await accept(peer)
    say(peer, registered)
  })
  await until('serving')
  const peer = await met
  const one = (n: number) => Buffer.concat([opened(2 + 2 * n), frame(Type.update, rst, 2 + 2 * n, 3)])
  for (let batch = 0; batch < 20; batch++)
    peer.write(...Array.from({ length: 1_000 }, (_, n) => one(batch * 1_000 + n)))
  peer.write(opened(60_000))
  await peer.until((seen) => seen.stream === 60_000 && (seen.flags & ack) !== 0)
  t.is(client.stats()?.openStreams, 2, 'control stream and the last one')
})
