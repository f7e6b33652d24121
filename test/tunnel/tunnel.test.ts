// Server and client together, over every transport that is here: what the control protocol promises.

import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import test from 'ava'
import { makeToken } from '../../src/base/token.js'
import { transportByName } from '../../src/transport/index.js'
import { hasAddon } from '../../src/transport/native/binding.js'
import type { Transport, TransportName } from '../../src/transport/transport.js'
import { clientOptions, serverOptions, startServer, tcpProxy, token, udpProxy, watchClient } from '../support/ends.js'

const names: readonly TransportName[] = hasAddon() ? ['memory', 'tls', 'quic', 'kcp'] : ['memory', 'tls']
const transports: readonly Transport[] = names.map((name) => transportByName(name))

async function echoService(t: { teardown(fn: () => void): void }): Promise<number> {
  const service = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  t.teardown(() => service.close())
  return (service.address() as net.AddressInfo).port
}

async function ask(port: number, text: string): Promise<string> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  socket.end(text)
  let answer = ''
  for await (const chunk of socket) answer += chunk
  return answer
}

for (const transport of transports) {
  const { name } = transport

  test(`${name}: a visitor reaches the service, and gets the whole answer after its own end`, async (t) => {
    const server = await startServer(await serverOptions([transport]))
    const proxies = [tcpProxy('echo', await echoService(t))]
    const { client, until } = watchClient(clientOptions(server.address, transport, server.pin, { proxies }))
    const { proxies: served } = await until('serving')
    t.is(await ask(served[0]?.public?.port ?? 0, 'hello through the tunnel'), 'hello through the tunnel')
    t.is(server.sessions()[0]?.client, 'boat')
    await client.close()
    await server.close()
    t.is(server.sessions().length, 0)
  })

  test(`${name}: udp payloads come back whole to the one who sent them`, async (t) => {
    const service = dgram.createSocket('udp4', (payload, from) => service.send(payload, from.port, from.address))
    service.bind(0, '127.0.0.1')
    await once(service, 'listening')
    t.teardown(() => service.close())
    const server = await startServer(await serverOptions([transport]))
    const proxies = [udpProxy('echo', service.address().port)]
    const { client, until } = watchClient(clientOptions(server.address, transport, server.pin, { proxies }))
    const { proxies: served } = await until('serving')
    const visitor = dgram.createSocket('udp4')
    visitor.bind(0, '127.0.0.1')
    t.teardown(() => visitor.close())
    for (const size of [0, 1, 1472, 9000, 65_507]) {
      const payload = Buffer.alloc(size, size)
      visitor.send(payload, served[0]?.public?.port ?? 0, '127.0.0.1')
      const [answer] = await once(visitor, 'message')
      t.true(payload.equals(answer), `${size} bytes`)
    }
    await client.close()
    await server.close()
  })

  test(`${name}: a wrong token ends the client with a sentence, and no retry`, async (t) => {
    const server = await startServer(await serverOptions([transport]))
    const { client } = watchClient(clientOptions(server.address, transport, server.pin, { token: makeToken() }))
    const error = await client.ended
    t.is(error?.code, 'auth_failed')
    t.is(server.sessions().length, 0)
    await server.close()
  })

  test(`${name}: without a pin the server has to prove the token before it learns anything`, async (t) => {
    const right = await startServer(await serverOptions([transport]))
    const learned: Uint8Array[] = []
    const options = clientOptions(right.address, transport, right.pin, {
      trust: { kind: 'unverified' },
      onPin: (pin) => learned.push(pin),
    })
    const { client, until } = watchClient(options)
    await until('serving')
    t.deepEqual(
      learned.map((pin) => Buffer.from(pin)),
      [Buffer.from(right.pin)],
    )
    await client.close()
    await right.close()
  })

  test(`${name}: the same identity takes its names over, and the older one stops`, async (t) => {
    const server = await startServer(await serverOptions([transport]))
    const port = await echoService(t)
    const options = clientOptions(server.address, transport, server.pin, { proxies: [tcpProxy('echo', port)] })
    const older = watchClient(options)
    const first = await older.until('serving')
    const newer = watchClient(options)
    const second = await newer.until('serving')
    t.is((await older.client.ended)?.code, 'superseded')
    t.is(second.proxies[0]?.refused, undefined)
    t.is(second.proxies[0]?.public?.port, first.proxies[0]?.public?.port, 'it gets its port again')
    t.is(await ask(second.proxies[0]?.public?.port ?? 0, 'still here'), 'still here')
    await newer.client.close()
    await server.close()
  })

  test(`${name}: another identity with the same token is refused the name`, async (t) => {
    const server = await startServer(await serverOptions([transport]))
    const port = await echoService(t)
    const proxies = [tcpProxy('echo', port)]
    const first = watchClient(clientOptions(server.address, transport, server.pin, { proxies }))
    await first.until('serving')
    const second = watchClient(clientOptions(server.address, transport, server.pin, { proxies }))
    t.is((await second.client.ended)?.code, 'name_taken')
    t.is(first.client.state.state, 'serving')
    await first.client.close()
    await server.close()
  })

  test(`${name}: one refused proxy does not take the others along, and leaves nothing behind`, async (t) => {
    const server = await startServer(await serverOptions([transport]))
    const port = await echoService(t)
    const proxies = [tcpProxy('good', port), tcpProxy('bad', port, { remotePort: 80 })]
    const { client, until } = watchClient(clientOptions(server.address, transport, server.pin, { proxies }))
    const { proxies: served } = await until('serving')
    t.is(served[0]?.refused, undefined)
    t.is(served[1]?.refused?.code, 'port_refused')
    t.deepEqual(
      server.sessions()[0]?.proxies.map((proxy) => proxy.name),
      ['good'],
    )
    await client.close()
    await server.close()
  })

  test(`${name}: a port that the system has given away is refused by that name`, async (t) => {
    const holder = net.createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    t.teardown(() => holder.close())
    const taken = (holder.address() as net.AddressInfo).port
    const server = await startServer(await serverOptions([transport], { ports: { start: 1024, end: 65_535 } }))
    const proxies = [tcpProxy('echo', 1, { remotePort: taken })]
    const { client } = watchClient(clientOptions(server.address, transport, server.pin, { proxies }))
    t.is((await client.ended)?.code, 'address_in_use')
    await server.close()
  })

  test(`${name}: a client comes back by itself when its server does`, async (t) => {
    const options = await serverOptions([transport])
    const first = await startServer(options)
    const proxies = [tcpProxy('echo', await echoService(t))]
    const { client, until } = watchClient(clientOptions(first.address, transport, first.pin, { proxies }))
    await until('serving')
    await first.close()
    await until('waiting')
    const second = await startServer({ ...options, bind: first.address })
    const { proxies: served } = await until('serving')
    t.is(await ask(served[0]?.public?.port ?? 0, 'again'), 'again')
    await client.close()
    await second.close()
  })

  test(`${name}: a reload closes who is no longer allowed and keeps who is`, async (t) => {
    const other = makeToken()
    const options = await serverOptions([transport])
    const both = { ...options, clients: [...options.clients, { name: 'cabin', token: other }] }
    const server = await startServer(both)
    const boat = watchClient(clientOptions(server.address, transport, server.pin))
    const cabin = watchClient(clientOptions(server.address, transport, server.pin, { token: other }))
    await boat.until('serving')
    await cabin.until('serving')
    await t.throwsAsync(server.reload({ ...both, clients: [{ name: 'broken' }] }))
    t.is(server.sessions().length, 2)
    await server.reload(options)
    t.is((await cabin.client.ended)?.code, 'auth_failed')
    t.is(boat.client.state.state, 'serving')
    await boat.client.close()
    await server.close()
  })

  test(`${name}: a reload that takes one port away closes that proxy and no other`, async (t) => {
    const options = await serverOptions([transport])
    const server = await startServer(options)
    const port = await echoService(t)
    const proxies = [tcpProxy('kept', port), tcpProxy('lost', port)]
    const { client, until } = watchClient(clientOptions(server.address, transport, server.pin, { proxies }))
    const { proxies: served } = await until('serving')
    const kept = served[0]?.public?.port ?? 0
    const lost = served[1]?.public?.port ?? 0
    const only = (start: number) => ({
      ...options,
      clients: [{ name: 'boat', token, allowedPorts: [{ start, end: start }] }],
    })
    await server.reload(only(kept))
    const { proxies: after } = await until('serving')
    t.deepEqual(
      after.map(({ refused }) => refused?.code),
      [undefined, 'port_refused'],
    )
    t.is(await ask(kept, 'still here'), 'still here')
    await t.throwsAsync(ask(lost, 'gone'))
    await server.reload(only(lost))
    t.is((await client.ended)?.code, 'port_refused')
    await server.close()
  })
}
