// First words that are wrong, over real TLS: cut, changed, late, for another token, for another connection, or no TLS at
// all. None is accepted, each gets the answer of PROTOCOL.md, and the healthy client beside goes on.

import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import test from 'ava'
import { LinkEnd } from '../../src/base/errors.js'
import { makeToken } from '../../src/base/token.js'
import { transportByName } from '../../src/transport/index.js'
import { decodeMessage } from '../../src/wire/codec.js'
import { type Ground, startGround } from '../support/ground.js'
import { data, Flag, type RawFrame, RawPeer, Type } from '../support/raw-peer.js'

const { syn, fin } = Flag
const deadlineMs = 1_500

let ground: Ground
test.before(async () => {
  ground = await startGround([transportByName('tls')], { limits: { handshakeMs: deadlineMs } })
})
test.after.always(() => ground.close())

const isAnswer = ({ type, stream }: RawFrame) => type === Type.data && stream === 1
const isEnd = ({ type }: RawFrame) => type === Type.goAway

/** What the server says first: the type of its message (with the code of a refusal), or the code of its go-away. */
async function answer(peer: RawPeer): Promise<string> {
  const { type, payload, length } = await peer.until((frame) => isAnswer(frame) || isEnd(frame))
  if (type === Type.goAway) return `go-away ${length}`
  const message = decodeMessage(payload.subarray(2))
  return message.type === 'refused' ? `refused ${message.code}` : message.type
}

const violation = `go-away ${LinkEnd.protocol}`
const late = `go-away ${LinkEnd.refused}`
const changed = (bytes: Buffer, at: number, to: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy[at] = to
  return copy
}

interface Row {
  readonly title: string
  say(peer: RawPeer): Buffer
  readonly answer: string
}

// "GRT1" 0-3, length 4-5, method 6, client id 7-22, dial id 23-38, token id 39-46, proof 47-78.
const rows: readonly Row[] = [
  { title: 'a right hello', say: (peer) => peer.hello(ground.token), answer: 'accepted' },
  { title: 'another token', say: (peer) => peer.hello(makeToken()), answer: 'refused auth_failed' },
  {
    title: 'no proof at all',
    say: (peer) => changed(peer.hello(ground.token).subarray(0, 47), 5, 41),
    answer: violation,
  },
  { title: 'a certificate that it did not show', say: (peer) => mtls(peer), answer: 'refused auth_failed' },
  { title: 'a proof of zeros', say: (peer) => peer.hello(ground.token).fill(0, 47), answer: 'refused auth_failed' },
  {
    title: 'the proof that a server would send',
    say: (peer) => peer.hello(ground.token, undefined, 'server'),
    answer: 'refused auth_failed',
  },
  { title: 'GRT0', say: (peer) => changed(peer.hello(ground.token), 3, 0x30), answer: violation },
  { title: 'HTTP', say: () => Buffer.from('GET / HTTP/1.1\r\n\r\n'), answer: violation },
  { title: 'no magic', say: (peer) => peer.hello(ground.token).subarray(4), answer: violation },
  {
    title: 'the magic twice',
    say: (peer) => Buffer.concat([Buffer.from('GRT1'), peer.hello(ground.token)]),
    answer: violation,
  },
  { title: 'a frame of no bytes', say: () => Buffer.from('GRT1\0\0'), answer: violation },
  { title: 'a frame of 16,385 bytes', say: () => Buffer.from('GRT1\x40\x01'), answer: violation },
  { title: 'a frame of 65,535 bytes', say: () => Buffer.from('GRT1\xff\xff', 'latin1'), answer: violation },
  { title: 'method 0', say: (peer) => changed(peer.hello(ground.token), 6, 0), answer: violation },
  { title: 'method 3', say: (peer) => changed(peer.hello(ground.token), 6, 3), answer: violation },
  { title: 'a byte too many', say: (peer) => tailed(peer), answer: violation },
  { title: 'nothing', say: () => Buffer.alloc(0), answer: late },
  { title: 'a hello without its last byte', say: (peer) => peer.hello(ground.token).subarray(0, -1), answer: late },
]

const mtls = (peer: RawPeer): Buffer => {
  const bytes = Buffer.from(peer.hello(ground.token).subarray(0, 39))
  bytes[5] = 33
  bytes[6] = 2
  return bytes
}

const tailed = (peer: RawPeer): Buffer =>
  Buffer.concat([changed(peer.hello(ground.token), 5, peer.hello(ground.token).length - 5), Buffer.from('!')])

for (const row of rows) {
  test.serial(`a hello with ${row.title} is answered with ${row.answer}`, async (t) => {
    const peer = await RawPeer.dial(ground.server.address)
    peer.write(data(1, row.say(peer), syn))
    t.is(await answer(peer), row.answer)
    await peer.destroy()
    await ground.assertUnharmed(t)
  })
}

test.serial('a hello that is cut by FIN, wherever, is never accepted', async (t) => {
  const answers = await Promise.all(
    Array.from({ length: 79 }, async (_, length) => {
      const peer = await RawPeer.dial(ground.server.address)
      peer.write(data(1, peer.hello(ground.token).subarray(0, length), syn | fin))
      const said = await answer(peer)
      await peer.destroy()
      return said
    }),
  )
  const between = [answers[0], answers[4]] // no byte, and the magic alone: cut between two words
  t.deepEqual(between, [late, late])
  t.deepEqual(new Set([...answers.slice(1, 4), ...answers.slice(5)]), new Set([violation]))
  await ground.assertUnharmed(t)
})

test.serial('a hello with any one byte changed is never accepted', async (t) => {
  const answers = await Promise.all(
    Array.from({ length: 79 }, async (_, at) => {
      const peer = await RawPeer.dial(ground.server.address)
      const hello = peer.hello(ground.token)
      peer.write(data(1, changed(hello, at, hello[at]! ^ (1 << (at % 8))), syn | fin))
      const said = await answer(peer)
      await peer.destroy()
      return said
    }),
  )
  t.deepEqual(new Set(answers), new Set([violation, 'refused auth_failed']))
  t.true(answers.slice(7).every((said) => said === 'refused auth_failed'))
  await ground.assertUnharmed(t)
})

test.serial('a hello that comes a byte at a time is understood, unless it takes too long', async (t) => {
  const quick = await RawPeer.dial(ground.server.address)
  for (const [at, byte] of quick.hello(ground.token).entries())
    quick.write(data(1, Buffer.of(byte), at === 0 ? syn : 0))
  t.is(await answer(quick), 'accepted')
  await quick.destroy()
  const slow = await RawPeer.dial(ground.server.address)
  const said = answer(slow)
  let sent = 0
  for (const byte of slow.hello(ground.token)) {
    slow.write(data(1, Buffer.of(byte), sent++ === 0 ? syn : 0))
    await sleep(deadlineMs / 40)
  }
  t.is(await said, late)
  await slow.destroy()
  await ground.assertUnharmed(t)
})

test.serial('a hello that was right on another connection is refused', async (t) => {
  const [honest, thief] = await Promise.all([RawPeer.dial(ground.server.address), RawPeer.dial(ground.server.address)])
  thief.write(data(1, honest.hello(ground.token), syn))
  t.is(await answer(thief), 'refused auth_failed')
  await Promise.all([honest.destroy(), thief.destroy()])
  await ground.assertUnharmed(t)
})

// ---- below GRT1 ----

interface SocketRow {
  readonly title: string
  connect(): net.Socket
}

const address = () => ({ host: ground.server.address.host, port: ground.server.address.port })
const dialTls = (options: tls.ConnectionOptions) => tls.connect({ ...address(), rejectUnauthorized: false, ...options })
const say = (bytes: Buffer | string): net.Socket => {
  const socket = net.connect(address())
  socket.write(bytes)
  return socket
}

const sockets: readonly SocketRow[] = [
  { title: 'speaks HTTP', connect: () => say('GET / HTTP/1.1\r\nHost: x\r\n\r\n') },
  { title: 'speaks SSH', connect: () => say('SSH-2.0-OpenSSH_9.9\r\n') },
  { title: 'sends 64 KiB of zeros', connect: () => say(Buffer.alloc(65_536)) },
  { title: 'announces a TLS record of 65,535 bytes', connect: () => say(Buffer.from('160301ffff010000', 'hex')) },
  {
    title: 'announces a ClientHello of 16 MiB',
    connect: () => say(Buffer.concat([Buffer.from('160301400001ffffff0303', 'hex'), Buffer.alloc(16_384)])),
  },
  { title: 'asks for TLS 1.2', connect: () => dialTls({ maxVersion: 'TLSv1.2', ALPNProtocols: ['petrel/1'] }) },
  { title: 'names no protocol (ALPN)', connect: () => dialTls({}) },
  { title: 'names another protocol (ALPN)', connect: () => dialTls({ ALPNProtocols: ['h2'] }) },
]

for (const { title, connect } of sockets) {
  test.serial(`who ${title} is let go`, async (t) => {
    const socket = connect()
    socket.on('error', () => {}).resume()
    await new Promise((resolve) => socket.once('close', resolve))
    await ground.assertUnharmed(t)
  })
}
