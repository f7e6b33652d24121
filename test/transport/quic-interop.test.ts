// Our QUIC against another implementation (quiche, by @matrixai/quic), in both roles: handshake, streams both ways,
// half-close, reset. That peer takes no datagrams and so speaks no credit: PROTOCOL.md, "Peers without credit".
// Skipped, and said so, where its prebuilt binary does not load.

import { randomFillSync, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import test from 'ava'
import { limits } from '../../src/base/limits.js'
import { hasAddon } from '../../src/transport/native/binding.js'
import { quicTransport } from '../../src/transport/quic.js'
import type { Link, Stream } from '../../src/transport/transport.js'
import { makeCredentials } from '../support/credentials.js'
import { collect, pattern } from '../support/stream-ends.js'

type Quiche = typeof import('@matrixai/quic') & { readonly logger: never }

async function loadQuiche(): Promise<Quiche | string> {
  if (!hasAddon()) return 'our native addon is not built'
  try {
    const { default: Logger, LogLevel } = await import('@matrixai/logger')
    return { ...(await import('@matrixai/quic')), logger: new Logger('quiche', LogLevel.ERROR) as never }
  } catch (error) {
    return `@matrixai/quic does not load here: ${error instanceof Error ? error.message.split('\n')[0] : error}`
  }
}

const quiche = await loadQuiche()
const needsBoth = typeof quiche === 'string' ? test.skip : test.serial
if (typeof quiche === 'string') console.warn(`interop with quiche is SKIPPED: ${quiche}`)
const peer = quiche as Quiche
const { logger } = peer

const config = { applicationProtos: ['petrel/1'], maxIdleTimeout: 20_000, grease: true }
const randomBytes = async (data: ArrayBuffer) => {
  randomFillSync(new Uint8Array(data))
}
/** The peer's server signs its Retry tokens with these. */
const tokens = {
  key: new ArrayBuffer(32),
  ops: {
    sign: async (_key: ArrayBuffer, data: ArrayBuffer) => {
      const digest = await crypto.subtle.digest('SHA-256', data)
      return digest
    },
    verify: async (_key: ArrayBuffer, data: ArrayBuffer, signature: ArrayBuffer) => {
      const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', data))
      return signature.byteLength === digest.length && timingSafeEqual(digest, new Uint8Array(signature))
    },
  },
}

interface WebPair {
  readonly readable: ReadableStream<Uint8Array>
  readonly writable: WritableStream<Uint8Array>
}

/** Writes everything and FIN beside reading everything. */
async function exchange({ readable, writable }: WebPair, bytes: Uint8Array): Promise<Buffer> {
  const writing = (async () => {
    const writer = writable.getWriter()
    writer.closed.catch(() => {})
    for (let at = 0; at < bytes.length; at += 16_384) await writer.write(bytes.subarray(at, at + 16_384))
    await writer.close()
  })()
  // Reading may fail first; both are awaited below.
  writing.catch(() => {})
  const pieces: Uint8Array[] = []
  for await (const piece of readable as unknown as AsyncIterable<Uint8Array>) pieces.push(Buffer.from(piece))
  await writing
  return Buffer.concat(pieces)
}

needsBoth('a quiche client: handshake, our echo of 1 MiB, half-close, a stream from our side', async (t) => {
  const credentials = await makeCredentials()
  const listener = await quicTransport().listen({ host: '127.0.0.1', port: 0 }, { credentials })
  t.teardown(() => listener.close())
  const accepting = listener[Symbol.asyncIterator]().next()
  const client = await peer.QUICClient.createQUICClient({
    host: '127.0.0.1',
    port: listener.address.port,
    localHost: '127.0.0.1',
    crypto: { ops: { randomBytes } },
    config: { ...config, verifyPeer: false },
    logger,
  })
  const link = (await accepting).value as Link
  link.raiseLimits(limits.link.authenticated)
  t.is(link.datagrams, undefined)

  const sent = pattern(1 << 20)
  const serving = (async () => {
    const { value } = await link[Symbol.asyncIterator]().next()
    const stream = value as Stream
    // Half-close: the answer starts when the question has ended.
    stream.end(await collect(stream))
  })()
  const answered = await exchange(client.connection.newStream() as unknown as WebPair, sent)
  t.true(answered.equals(sent))
  await serving

  const theirs = once(client.connection as unknown as EventTarget, peer.events.EventQUICConnectionStream.name)
  const ours = await link.open()
  ours.end('from the listener')
  const [event] = (await theirs) as [{ detail: WebPair }]
  t.is(String(await exchange(event.detail, Buffer.from('heard'))), 'from the listener')
  t.is(String(await collect(ours)), 'heard')

  await client.destroy({ force: true })
  t.is((await link.closed).by, 'peer')
})

needsBoth('a quiche server: handshake, its echo of 1 MiB, half-close, reset', async (t) => {
  const credentials = await makeCredentials()
  const server = new peer.QUICServer({
    crypto: tokens,
    config: { ...config, key: credentials.privateKey, cert: credentials.certificate, verifyPeer: false },
    logger,
  })
  await server.start({ host: '127.0.0.1', port: 0 })
  t.teardown(() => server.stop({ force: true }))
  server.addEventListener(peer.events.EventQUICServerConnection.name, (opened: unknown) => {
    const { detail: connection } = opened as { detail: EventTarget }
    connection.addEventListener(peer.events.EventQUICConnectionStream.name, (event) => {
      const { readable, writable } = (event as unknown as { detail: WebPair }).detail
      void readable.pipeTo(writable).catch(() => {})
    })
  })
  const link = await quicTransport().dial(
    { host: '127.0.0.1', port: server.port },
    { trust: { kind: 'pin', pin: credentials.pin } },
  )
  t.true(link.peer.verified)
  const stream = await link.open()
  const sent = pattern(1 << 20)
  stream.end(sent)
  t.true((await collect(stream)).equals(sent))

  const cut = await link.open()
  cut.write('x')
  await once(cut, 'readable')
  cut.reset(5)
  await once(cut, 'close')
  const next = await link.open()
  next.end('still alive')
  t.is(String(await collect(next)), 'still alive')
  await link.close()
})

for (const [what, enableDgram] of [
  ['without credit is held to the 64 KiB of a stranger', [false, 0, 0]],
  ['that speaks credit and sends beyond it is reset', [true, 16, 16]],
] as const) {
  needsBoth(`a peer ${what}, and its link lives on`, async (t) => {
    const listener = await quicTransport().listen(
      { host: '127.0.0.1', port: 0 },
      { credentials: await makeCredentials() },
    )
    t.teardown(() => listener.close())
    const accepting = listener[Symbol.asyncIterator]().next()
    const client = await peer.QUICClient.createQUICClient({
      host: '127.0.0.1',
      port: listener.address.port,
      localHost: '127.0.0.1',
      crypto: { ops: { randomBytes } },
      config: { ...config, verifyPeer: false, enableDgram: [...enableDgram] },
      logger,
    })
    const link = (await accepting).value as Link
    const greedy = exchange(client.connection.newStream() as unknown as WebPair, pattern(300_000))
    greedy.catch(() => {})
    const streams = link[Symbol.asyncIterator]()
    const stream = (await streams.next()).value as Stream
    // Nobody reads until the engine has refused it.
    if (!stream.closed) await new Promise((resolve) => stream.once('close', resolve))
    t.like(stream.errored as Error, { code: 'limit_exceeded', source: 'peer' })
    await t.throwsAsync(greedy)

    const modest = exchange(client.connection.newStream() as unknown as WebPair, Buffer.from('modest'))
    const second = (await streams.next()).value as Stream
    second.end(await collect(second))
    t.is(String(await modest), 'modest')
    await client.destroy({ force: true })
    await link.closed
  })
}
