// A client that has proved its token and says the same thing over and over: each word costs it three bytes, so it must
// not cost the server timers, promises or memory.

import test from 'ava'
import { transportByName } from '../../src/transport/index.js'
import { encodeMessage } from '../../src/wire/codec.js'
import { serverOptions, startServer, token } from '../support/ends.js'
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
