// A client that has proved its token and says the same thing over and over: each word costs it three bytes, so it must
// not cost the server timers, promises or memory.

import test from 'ava'
import { makeToken } from '../../src/base/token.js'
import type { ClientOptions } from '../../src/client/options.js'
import { transportByName } from '../../src/transport/index.js'
import { encodeMessage } from '../../src/wire/codec.js'
import { clientOptions, serverOptions, startServer, token, watchClient } from '../support/ends.js'
import { data, RawPeer } from '../support/raw-peer.js'

test.serial('a client that says 5,000 times that it drains is heard once', async (t) => {
  const server = await startServer(await serverOptions([transportByName('tls')]))
  t.teardown(() => server.close())
  const peer = await RawPeer.dial(server.address)
  t.teardown(() => peer.destroy())
  await peer.authenticate(token)
  let timers = 0
  const timeout = AbortSignal.timeout
  AbortSignal.timeout = (ms) => {
    timers++
    return timeout.call(AbortSignal, ms)
  }
  t.teardown(() => {
    AbortSignal.timeout = timeout
  })
  const answered = peer.received(1).length
  const drains = Array.from({ length: 5_000 }, () => encodeMessage({ type: 'drain' }))
  peer.write(data(1, Buffer.concat([...drains, encodeMessage({ type: 'heartbeat' })])))
  await peer.until(() => peer.received(1).length > answered)
  t.is(timers, 1)
})

test.serial('a token that comes with many install ids does not lock other clients out', async (t) => {
  const tls = transportByName('tls')
  const other = makeToken()
  const clients = [
    { name: 'boat', token },
    { name: 'other', token: other },
  ]
  const base = await serverOptions([tls])
  const server = await startServer({ ...base, clients, limits: { ...base.limits, clients: 3 } })
  t.teardown(() => server.close())
  const come = (more: Partial<ClientOptions>) => {
    const watched = watchClient(clientOptions(server.address, tls, server.pin, more))
    t.teardown(() => watched.client.close())
    return watched
  }
  await come({}).until('serving')
  await come({}).until('serving')
  t.is((await come({}).until('waiting')).error.code, 'limit_exceeded')
  await come({ token: other }).until('serving')
  t.deepEqual(
    server
      .sessions()
      .map(({ client }) => client)
      .sort(),
    ['boat', 'boat', 'other'],
  )
})
