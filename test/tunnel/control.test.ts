// The control protocol against peers that are late, wrong, gone or hostile: raw links on one side, petrel on the other.

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { isPetrelError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { makeToken } from '../../src/base/token.js'
import { ControlChannel } from '../../src/control/channel.js'
import { greet } from '../../src/control/handshake.js'
import { transportByName } from '../../src/transport/index.js'
import type { Link } from '../../src/transport/transport.js'
import { makeCredentials } from '../support/credentials.js'
import { clientOptions, serverOptions, startServer, tcpProxy, token, watchClient } from '../support/ends.js'

const memory = transportByName('memory')
const tls = transportByName('tls')
const anyId = Buffer.alloc(16, 7)
const introduction = () => ({ credential: { token }, clientId: anyId, dialId: randomBytes(16), registers: [] })

async function dialRaw(server: { address: { host: string; port: number } }, transport = memory): Promise<Link> {
  return transport.dial(server.address, { trust: { kind: 'unverified' } })
}

test('a client certificate opens the door to its own public key, over tls', async (t) => {
  const mine = await makeCredentials()
  const clients = [{ name: 'boat', certificatePin: mine.pin }]
  const server = await startServer(await serverOptions([tls], { clients }))
  const base = clientOptions(server.address, tls, server.pin)
  const { token: _, ...withoutToken } = base
  const { client, until } = watchClient({ ...withoutToken, credentials: mine })
  await until('serving')
  t.is(server.sessions()[0]?.client, 'boat')
  const stranger = watchClient({ ...withoutToken, credentials: await makeCredentials() })
  t.is((await stranger.client.ended)?.code, 'auth_failed')
  const blind = watchClient({ ...withoutToken, credentials: mine, trust: { kind: 'unverified' } })
  t.is((await blind.client.ended)?.code, 'certificate_untrusted', 'a certificate proves nothing of the server')
  await client.close()
  await server.close()
})

test('a server that accepts without knowing the token is found out, and gets no registration', async (t) => {
  const credentials = await makeCredentials()
  const listener = await tls.listen({ host: '127.0.0.1', port: 0 }, { credentials })
  const heard: string[] = []
  const impostor = (async () => {
    for await (const link of listener) {
      for await (const stream of link) {
        const channel = new ControlChannel(stream, 'listener')
        await channel.hello()
        channel.send({ type: 'accepted', sessionId: anyId, proof: Buffer.alloc(32), clientName: 'boat' })
        await channel.receive().then(
          ({ type }) => heard.push(type),
          () => {},
        )
      }
    }
  })()
  const options = clientOptions(listener.address, tls, credentials.pin, {
    trust: { kind: 'unverified' },
    proxies: [tcpProxy('echo', 9)],
  })
  const { client } = watchClient(options)
  t.is((await client.ended)?.code, 'auth_failed')
  await listener.close()
  await impostor
  t.deepEqual(heard, [])
})

test('a proof that was heard on another link opens nothing', async (t) => {
  const server = await startServer(await serverOptions([tls]))
  const honest = await dialRaw(server, tls)
  const other = await dialRaw(server, tls)
  const replayed = new Proxy(other, {
    get: (link, key) =>
      key === 'exportKey' ? honest.exportKey.bind(honest) : bound(link, Reflect.get(link, key) as unknown),
  })
  const error = await t.throwsAsync(greet(replayed, introduction()))
  t.true(isPetrelError(error, 'auth_failed'))
  await t.notThrowsAsync(greet(honest, introduction()))
  await honest.close()
  await server.close()
})

test('a stranger that says nothing, or stops in the middle of its hello, is cut at the deadline', async (t) => {
  const options = await serverOptions([memory])
  const server = await startServer({ ...options, limits: { ...options.limits, handshakeMs: 50 } })
  for (const bytes of ['', 'GR', 'GRT1', 'GRT1\0\x49\x01']) {
    const link = await dialRaw(server)
    const stream = await link.open()
    stream.on('error', () => {})
    stream.write(Buffer.from(bytes, 'latin1'))
    const { by, code } = await link.closed
    t.is(by, 'peer')
    t.is(code, 0x100, JSON.stringify(bytes))
  }
  await server.close()
})

test('a hello that is none ends the link as a violation', async (t) => {
  const server = await startServer(await serverOptions([memory]))
  for (const bytes of ['HTTP', 'GRT2', 'GRT1\0\0', 'GRT1\xff\xff', 'GRT1\0\x01\x09']) {
    const link = await dialRaw(server)
    const stream = await link.open()
    stream.on('error', () => {})
    stream.write(Buffer.from(bytes, 'latin1'))
    t.is((await link.closed).code, 1, JSON.stringify(bytes))
  }
  t.is(server.sessions().length, 0)
  await server.close()
})

test('what a client may not say, and streams that it may not open, are answered as PROTOCOL.md says', async (t) => {
  const server = await startServer(await serverOptions([memory]))
  const link = await dialRaw(server)
  const { channel } = await greet(link, introduction())
  const stream = await link.open()
  stream.write('hello')
  const [error] = await once(stream, 'error')
  t.is(error.resetCode, 2)
  channel.send({ type: 'superseded' })
  t.is((await link.closed).code, 1)
  await server.close()
})

test('more registrations in a minute than allowed end the session; more proxies are refused one by one', async (t) => {
  const options = await serverOptions([memory])
  const few = { ...options.limits, proxiesPerClient: 2, registrationsPerMinute: 4 }
  const server = await startServer({ ...options, limits: few })
  const link = await dialRaw(server)
  const { channel } = await greet(link, introduction())
  const answers: string[] = []
  for (let n = 0; n < 4; n++) {
    const options = { bindAddress: '127.0.0.1' }
    channel.send({ type: 'register', proxy: 'tcp', name: `p${n}`, remotePort: 0, localPort: 1, options })
    const answer = await channel.receive()
    answers.push(answer.type === 'refused' ? answer.code : answer.type)
  }
  t.deepEqual(answers, ['registered', 'registered', 'limit_exceeded', 'limit_exceeded'])
  channel.send({ type: 'register', proxy: 'tcp', name: 'p9', remotePort: 0, localPort: 1, options: {} })
  t.is((await link.closed).by, 'peer')
  t.is(server.sessions().length, 0)
  await server.close()
})

test('a full server says so, and the client tries again', async (t) => {
  const options = await serverOptions([memory])
  const server = await startServer({ ...options, limits: { ...options.limits, clients: 1 } })
  const first = watchClient(clientOptions(server.address, memory, server.pin))
  await first.until('serving')
  const second = watchClient(clientOptions(server.address, memory, server.pin))
  t.is((await second.until('waiting')).error.code, 'limit_exceeded')
  await first.client.close()
  await second.until('serving')
  await second.client.close()
  await server.close()
})

test('a server that goes down in good order lets visitors finish, and its clients come back', async (t) => {
  const { server, client, until, answer } = await visitorUnderWay(t)
  const closing = server.close(3_000)
  t.is(await answer, 'late answer')
  await closing
  t.is((await until('waiting')).error.code, 'draining')
  await client.close()
})

test('a client that leaves lets visitors finish, and takes nobody new', async (t) => {
  const { server, client, port, answer } = await visitorUnderWay(t)
  const closing = client.close(3_000)
  while (await connects(port)); // until the drain has arrived
  t.is(await answer, 'late answer')
  await closing
  t.is(server.sessions().length, 0)
  await server.close()
})

test('a token that no token can be, or none at all, is refused before anything is dialled', (t) => {
  const { token: _, ...none } = clientOptions({ host: '127.0.0.1', port: 1 }, memory, anyId)
  t.throws(() => watchClient(none))
  t.throws(() => watchClient({ ...none, token: 'hunter2' }))
  t.throws(() => watchClient({ ...none, token: `${makeToken()}x` }))
  t.true(limits.link.handshakeMs > 0)
})

const bound = (target: object, value: unknown) => (typeof value === 'function' ? value.bind(target) : value)

/** A tunnel with one visitor whose question the service has heard and answers 300 ms later. */
async function visitorUnderWay(t: ExecutionContext) {
  const service = net.createServer((socket) => {
    socket.once('data', () => {
      service.emit('asked')
      setTimeout(() => socket.end('late answer'), 300)
    })
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  t.teardown(() => service.close())
  const server = await startServer(await serverOptions([memory]))
  const proxies = [tcpProxy('slow', (service.address() as net.AddressInfo).port)]
  const { client, until } = watchClient(clientOptions(server.address, memory, server.pin, { proxies }))
  const port = (await until('serving')).proxies[0]?.public?.port ?? 0
  const visitor = net.connect(port, '127.0.0.1')
  visitor.write('question')
  await once(service, 'asked')
  return { server, client, until, port, answer: text(visitor) }
}

function connects(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1')
  return new Promise((resolve) => {
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
