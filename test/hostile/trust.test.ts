// Servers that a client must not trust, services that fail, and what the client or the visitor then hears: over each
// transport, in rows. Nothing stays open afterwards.

import { once } from 'node:events'
import net from 'node:net'
import type { ExecutionContext } from 'ava'
import type { ErrorCode } from '../../src/base/errors.js'
import { makeToken } from '../../src/base/token.js'
import type { ClientOptions } from '../../src/client/options.js'
import { makeAuthority, makeCredentials } from '../support/credentials.js'
import { clientOptions, serverOptions, startServer, tcpProxy, watchClient } from '../support/ends.js'
import { startTunnel } from '../support/one-process.js'
import { overEach } from '../support/over.js'
import { readAll, tcpConnect, tcpServer } from '../support/tcp.js'

const authority = await makeAuthority()
const other = await makeAuthority()
const ca = (certificates: string): Partial<ClientOptions> => ({ trust: { kind: 'ca', certificates } })

interface TrustRow {
  readonly title: string
  readonly credentials: { certificate: string; privateKey: string }
  readonly client: Partial<ClientOptions>
  /** How the first attempt ends, and whether the client then stops for good. */
  readonly code: ErrorCode | 'serving'
  readonly stops?: boolean
}

const good = await authority.sign()
const rows: readonly TrustRow[] = [
  { title: 'its ca signed', credentials: good, client: ca(authority.certificate), code: 'serving' },
  {
    title: 'another ca signed',
    credentials: good,
    client: ca(other.certificate),
    code: 'certificate_untrusted',
    stops: true,
  },
  {
    title: 'its ca signed, for the day before yesterday',
    credentials: await authority.sign({ expired: true }),
    client: ca(authority.certificate),
    code: 'certificate_untrusted',
    stops: true,
  },
  {
    title: 'its ca signed for another name',
    credentials: await authority.sign({ names: ['elsewhere.example'] }),
    client: ca(authority.certificate),
    code: 'certificate_untrusted',
    stops: true,
  },
  {
    title: 'its ca signed, asked for by another name',
    credentials: good,
    client: { ...ca(authority.certificate), serverName: 'elsewhere.example' },
    code: 'certificate_untrusted',
    stops: true,
  },
  {
    title: 'nobody signed',
    credentials: await makeCredentials(),
    client: ca(authority.certificate),
    code: 'certificate_untrusted',
    stops: true,
  },
  {
    title: 'no root of the system knows',
    credentials: good,
    client: { trust: { kind: 'system' } },
    code: 'certificate_untrusted',
    stops: true,
  },
  {
    title: 'has another pin',
    credentials: good,
    client: { trust: { kind: 'pin', pin: new Uint8Array(32) } },
    code: 'certificate_untrusted',
    stops: true,
  },
  {
    title: 'has half of its pin',
    credentials: good,
    client: { trust: { kind: 'pin', pin: good.pin.subarray(0, 16) } },
    code: 'certificate_untrusted',
    stops: true,
  },
  {
    title: 'has the right pin but does not know the token',
    credentials: good,
    client: { token: makeToken() },
    code: 'auth_failed',
    stops: true,
  },
  {
    title: 'is not known by its key and does not know the token',
    credentials: good,
    client: { trust: { kind: 'unverified' }, token: makeToken() },
    code: 'auth_failed',
    stops: true,
  },
]

for (const { title, credentials, client: told, code, stops } of rows) {
  overEach(`a server whose certificate ${title}: ${code}`, async (t, over) => {
    const server = await startServer(await serverOptions([over], { credentials }))
    t.teardown(() => server.close())
    const { client, until } = watchClient(clientOptions(server.address, over, server.pin, told))
    t.teardown(() => client.close())
    t.is<string | undefined, string>(stops ? (await client.ended)?.code : (await until('serving')).state, code)
    t.is(server.sessions().length, stops ? 0 : 1)
  })
}

overEach('a server that is not there is tried again, as unreachable or late', async (t, over) => {
  const { client, until } = watchClient(clientOptions({ host: '127.0.0.1', port: await closedPort() }, over, good.pin))
  t.teardown(() => client.close())
  if (over.name === 'tls') {
    t.is((await until('waiting')).error.code, 'unreachable')
    t.is((await until('waiting')).error.code, 'unreachable')
  } else t.is(client.state.state, 'connecting')
})

overEach('a name that does not exist is unreachable', async (t, over) => {
  const { client, until } = watchClient(clientOptions({ host: 'no-such-host.invalid', port: 1 }, over, good.pin))
  t.teardown(() => client.close())
  t.is((await until('waiting')).error.code, 'unreachable')
})

// ---- services ----

interface ServiceRow {
  readonly title: string
  /** What the service does with a connection; undefined: nobody listens. */
  readonly serve: ((socket: net.Socket) => void) | undefined
  readonly heard: string
  readonly bytes?: string
}

const services: readonly ServiceRow[] = [
  { title: 'is down', serve: undefined, heard: 'ECONNRESET' },
  { title: 'resets at once', serve: (socket) => socket.resetAndDestroy(), heard: 'ECONNRESET' },
  {
    title: 'resets after its first words',
    serve: (socket) => socket.write('half a', () => socket.resetAndDestroy()),
    heard: 'ECONNRESET',
  },
  { title: 'says nothing and ends', serve: (socket) => socket.end(), heard: 'end', bytes: '' },
  {
    title: 'answers without being asked and ends',
    serve: (socket) => socket.end('banner'),
    heard: 'end',
    bytes: 'banner',
  },
]

for (const { title, serve, heard, bytes } of services) {
  overEach(`the visitor of a service that ${title} hears ${heard}`, async (t, over) => {
    const port = serve === undefined ? await closedPort() : await serving(t, serve)
    const { server, client, ports } = await startTunnel(t, over, [tcpProxy('service', port)])
    for (let round = 0; round < 5; round++) {
      const visitor = await tcpConnect(ports[0]!)
      visitor.end('a question')
      const seen = await readAll(visitor)
      t.is(seen.how, heard)
      if (bytes !== undefined) t.is(seen.bytes.toString(), bytes)
    }
    t.is(client.state.state, 'serving')
    t.is(server.sessions()[0]?.proxies.length, 1)
  })
}

async function serving(t: ExecutionContext, serve: (socket: net.Socket) => void): Promise<number> {
  const service = await tcpServer(serve)
  t.teardown(() => service.close())
  return service.port
}

/** A port of loopback that was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
