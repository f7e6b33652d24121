// What only TLS has: versions, ALPN, foreign peers on the port, ends without a farewell, and what it tells people.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import * as tls from 'node:tls'
import test from 'ava'
import { LinkEnd } from '../../src/base/errors.js'
import { transportByName } from '../../src/transport/index.js'
import { tlsTransport } from '../../src/transport/tls.js'
import type { Link, Listener, TransportName } from '../../src/transport/transport.js'
import { makeCredentials } from '../support/credentials.js'
import { tcpPath } from '../support/dark-path.js'
import { accepted, collect, failure, pattern, rejection } from '../support/stream-ends.js'

const transport = tlsTransport()
const trust = { kind: 'unverified' } as const

async function listening(t: { teardown(fn: () => Promise<void>): void }, host = '127.0.0.1') {
  const listener = await transport.listen({ host, port: 0 }, { credentials: await makeCredentials() })
  t.teardown(() => listener.close())
  return listener
}

async function nextLink(listener: Listener): Promise<Link> {
  return (await listener[Symbol.asyncIterator]().next()).value
}

/** How a hand-made TLS client fares: the protocol it got, or its error's code. */
async function handshake(listener: Listener, options: tls.ConnectionOptions): Promise<string> {
  const socket = tls.connect({ ...listener.address, rejectUnauthorized: false, ...options })
  socket.on('secureConnect', () => socket.write('x'))
  const outcome = await new Promise<string>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.on('close', () => resolve('closed'))
    socket.on('data', () => resolve('talks'))
  })
  socket.destroy()
  return outcome
}

test('nothing below TLS 1.3 and no other protocol gets a link', async (t) => {
  const listener = await listening(t)
  const ALPNProtocols = ['petrel/1']
  t.is(await handshake(listener, { ALPNProtocols }), 'talks')
  t.is(await handshake(listener, { ALPNProtocols, maxVersion: 'TLSv1.2' }), 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
  t.is(await handshake(listener, { ALPNProtocols: ['h2'] }), 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL')
  t.is(await handshake(listener, {}), 'closed')
})

test('garbage and half handshakes harm nobody', async (t) => {
  const listener = await listening(t)
  const garbage = connect(listener.address)
  garbage.on('error', () => {})
  garbage.write(pattern(100_000))
  const silent = connect(listener.address)
  silent.on('error', () => {})
  await once(silent, 'connect')
  const link = await transport.dial(listener.address, { trust })
  const far = await nextLink(listener)
  const stream = await link.open()
  stream.end('well')
  t.is(String(await collect(await accepted(far))), 'well')
  if (!garbage.closed) await once(garbage, 'close')
  await link.close()
  await listener.close()
  if (!silent.closed) await once(silent, 'close') // the listener took its half handshake along
})

test('bytes that are no yamux end the link with code 1', async (t) => {
  const listener = await listening(t)
  const socket = tls.connect({ ...listener.address, rejectUnauthorized: false, ALPNProtocols: ['petrel/1'] })
  socket.on('error', () => {})
  socket.write(Buffer.alloc(64, 0xff))
  const far = await nextLink(listener)
  t.like(await far.closed, { by: 'us', code: LinkEnd.protocol })
  const goAway = Buffer.from('000300000000000000000001', 'hex')
  t.true((await collect(socket)).includes(goAway))
})

test('a TCP end without a farewell is an error on every stream', async (t) => {
  const listener = await listening(t)
  const sockets: import('node:net').Socket[] = []
  const relay = createServer((near) => {
    const onward = connect(listener.address)
    sockets.push(near, onward)
    near.on('error', () => {}).pipe(onward)
    onward.on('error', () => {}).pipe(near)
  }).listen(0, '127.0.0.1')
  await once(relay, 'listening')
  t.teardown(() => relay.close())
  const at = { host: '127.0.0.1', port: (relay.address() as AddressInfo).port }
  const link = await transport.dial(at, { trust })
  const far = await nextLink(listener)
  const stream = await link.open()
  stream.write('!')
  const theirs = await accepted(far)
  const failing = Promise.all([failure(stream), failure(theirs)])
  for (const socket of sockets) socket.unpipe().end()
  t.true((await failing).every(({ code }) => code === 'link_lost'))
  t.like(await link.closed, { by: 'network', code: LinkEnd.lost })
  t.like(await far.closed, { by: 'network', code: LinkEnd.lost })
})

test('a complete stream gives its bytes even when the link has ended', async (t) => {
  const listener = await listening(t)
  const link = await transport.dial(listener.address, { trust })
  const far = await nextLink(listener)
  const stream = await link.open()
  stream.end('all')
  const theirs = await accepted(far)
  theirs.end()
  await collect(stream)
  await link.close()
  await far.closed
  t.is(String(await collect(theirs)), 'all')
})

test('a wrong host and a foreign server are told apart', async (t) => {
  const foreign = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(0, '127.0.0.1')
  await once(foreign, 'listening')
  t.teardown(() => foreign.close())
  const { port } = foreign.address() as AddressInfo
  t.like(await rejection(transport.dial({ host: '127.0.0.1', port }, { trust })), {
    code: 'unreachable',
    source: 'peer',
  })
  const unknown = await rejection(transport.dial({ host: 'no-such-host.invalid', port: 1 }, { trust }))
  t.is(unknown.code, 'unreachable')
  const refused = await rejection(transport.dial({ host: '127.0.0.1', port: 1 }, { trust }))
  t.regex(refused.message, /cannot reach 127\.0\.0\.1:1 over tls: nothing listens there/)
})

test('a dial that waits is given up when its signal fires', async (t) => {
  const listener = await listening(t)
  const path = await tcpPath(listener.address)
  t.teardown(() => path.cut())
  path.goDark()
  const giveUp = new AbortController()
  const dialling = rejection(transport.dial(path.address, { trust, signal: giveUp.signal }))
  setImmediate(() => giveUp.abort())
  t.is((await dialling).code, 'aborted')
})

test('IPv6 works and addresses are written as people know them', async (t) => {
  const listener = await listening(t, '::')
  const over6 = await transport.dial({ host: '::1', port: listener.address.port }, { trust })
  t.is((await nextLink(listener)).remote.host, '::1')
  const over4 = await transport.dial({ host: '127.0.0.1', port: listener.address.port }, { trust })
  t.is((await nextLink(listener)).remote.host, '127.0.0.1')
  await Promise.all([over6.close(), over4.close()])
})

test('a transport that does not exist is named as unsupported', (t) => {
  t.throws(() => transportByName('wss' as TransportName), { code: 'unsupported' })
})
