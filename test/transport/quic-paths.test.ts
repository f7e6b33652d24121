// QUIC links over the addresses that there are: IPv4, IPv6, names, a NAT that forgets, many at once, nobody.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { startUdpRelay } from '../../src/cli/demo/udp-relay.js'
import { hasAddon } from '../../src/transport/native/binding.js'
import { quicTransport } from '../../src/transport/quic.js'
import type { Link, Listener } from '../../src/transport/transport.js'
import { makeCredentials } from '../support/credentials.js'
import { collect, echoAll, rejection } from '../support/stream-ends.js'

const needsAddon = hasAddon() ? test : test.skip
const quic = quicTransport()

interface Served {
  readonly listener: Listener
  /** In the order of their coming. */
  readonly links: readonly Link[]
  readonly pin: Uint8Array
}

async function serve(t: ExecutionContext, host: string): Promise<Served> {
  const credentials = await makeCredentials()
  const listener = await quic.listen({ host, port: 0 }, { credentials })
  const links: Link[] = []
  void (async () => {
    for await (const link of listener) {
      links.push(link)
      void echoAll(link)
    }
  })()
  t.teardown(() => Promise.all([listener.close(), ...links.map((link) => link.close())]))
  return { listener, links, pin: credentials.pin }
}

async function echo(link: Link): Promise<string> {
  const stream = await link.open()
  stream.end('hello')
  return String(await collect(stream))
}

for (const [listen, dial, seen] of [
  ['::1', '::1', '::1'],
  ['127.0.0.1', 'localhost', '127.0.0.1'],
  ['::', '127.0.0.1', '127.0.0.1'],
  ['::', '::1', '::1'],
] as const) {
  needsAddon(`a listener on ${listen} is reached as ${dial} and sees ${seen}`, async (t) => {
    const { listener, links, pin } = await serve(t, listen)
    const link = await quic.dial({ host: dial, port: listener.address.port }, { trust: { kind: 'pin', pin } })
    t.is(await echo(link), 'hello')
    t.is(links[0]!.remote.host, seen)
    await link.close()
  })
}

needsAddon('300 diallers at once all get a link: above 64 they prove their address first', async (t) => {
  const { listener, pin } = await serve(t, '127.0.0.1')
  const dials = Array.from({ length: 300 }, () => quic.dial(listener.address, { trust: { kind: 'pin', pin } }))
  const links = await Promise.all(dials)
  t.true((await Promise.all(links.map(echo))).every((answer) => answer === 'hello'))
  await Promise.all(links.map((link) => link.close()))
})

needsAddon('a link lives on when a NAT forgets its address', async (t) => {
  const { listener, links, pin } = await serve(t, '127.0.0.1')
  const relay = await startUdpRelay({ target: listener.address, rttMs: 20, lossPercent: 0 })
  t.teardown(() => relay.close())
  const link = await quic.dial(relay.address, { trust: { kind: 'pin', pin } })
  t.is(await echo(link), 'hello')
  const before = links[0]!.remote
  relay.cut()
  t.is(await echo(link), 'hello')
  t.notDeepEqual(links[0]!.remote, before)
  await link.close()
})

needsAddon('a dial that nobody answers can be given up', async (t) => {
  const silent = createSocket('udp4')
  t.teardown(() => silent.close())
  silent.bind(0, '127.0.0.1')
  await once(silent, 'listening')
  const givenUp = new AbortController()
  silent.once('message', () => givenUp.abort())
  const address = { host: '127.0.0.1', port: silent.address().port }
  const error = await rejection(quic.dial(address, { trust: { kind: 'unverified' }, signal: givenUp.signal }))
  t.is(error.code, 'aborted')
})

needsAddon('an address that is not ours and a name that is not known are unreachable', async (t) => {
  const credentials = await makeCredentials()
  t.is((await rejection(quic.listen({ host: '192.0.2.1', port: 0 }, { credentials }))).code, 'unreachable')
  const unknown = { host: 'petrel-test.invalid', port: 1 }
  t.is((await rejection(quic.dial(unknown, { trust: { kind: 'unverified' } }))).code, 'unreachable')
})

needsAddon('socket buffers that the system granted are reported', async (t) => {
  const { listener, pin } = await serve(t, '127.0.0.1')
  const link = await quic.dial(listener.address, { trust: { kind: 'pin', pin } })
  const stats = link.stats() as ReturnType<Link['stats']> & { sendBufferBytes: number; receiveBufferBytes: number }
  t.true(stats.sendBufferBytes > 0 && stats.receiveBufferBytes > 0)
  await link.close()
})
