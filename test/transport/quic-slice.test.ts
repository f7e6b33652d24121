// The first thing that must hold: bytes there and back between two processes over QUIC.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { hasAddon } from '../../src/transport/native/binding.js'
import { quicTransport } from '../../src/transport/quic.js'

const echoServer = fileURLToPath(new URL('../support/quic-echo.js', import.meta.url))
const needsAddon = hasAddon() ? test : test.skip

needsAddon('4 MiB come back from another process, and the peer took them all', async (t) => {
  const server: ChildProcess = fork(echoServer)
  t.teardown(() => server.kill())
  const [{ port, pin }] = (await once(server, 'message')) as [{ port: number; pin: string }]
  const link = await quicTransport().dial(
    { host: '127.0.0.1', port },
    { trust: { kind: 'pin', pin: Buffer.from(pin, 'hex') } },
  )
  const stream = await link.open()
  const sent = Buffer.alloc(4 * 1024 * 1024, 'petrel')
  stream.end(sent)
  const received: Buffer[] = []
  for await (const chunk of stream) received.push(chunk as Buffer)
  t.true(sent.equals(Buffer.concat(received)))
  while (stream.acknowledged < sent.length) await new Promise((resolve) => setTimeout(resolve, 20))
  t.is(stream.acknowledged, sent.length)
  await link.close()
})
