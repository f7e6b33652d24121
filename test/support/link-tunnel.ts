// Both halves of the proxies over a real link, with the client's dispatcher: what server and client do after `hello`.

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'
import { StreamReset } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { Line } from '../../src/base/log.js'
import { makeOpener, readStreamHeader, serve, serveFlows } from '../../src/proxy/index.js'
import type { LinkOpener, LocalFlows, Service } from '../../src/proxy/proxy.js'
import { memoryTransport } from '../../src/transport/memory.js'
import type { Link, Stream, Transport } from '../../src/transport/transport.js'
import { makeCredentials } from './credentials.js'

export interface LinkTunnel {
  readonly server: Link
  readonly client: Link
  readonly opener: LinkOpener
  readonly flows: LocalFlows
}

export interface LinkTunnelOptions {
  readonly transport?: Transport
  /** As a transport that has none. */
  readonly withoutDatagrams?: boolean
  readonly service: (proxy: string) => Service | undefined
  readonly log?: Line
}

/** Ends with the test. */
export async function linkTunnel(t: ExecutionContext, options: LinkTunnelOptions): Promise<LinkTunnel> {
  const transport = options.transport ?? memoryTransport()
  const credentials = await makeCredentials()
  const listener = await transport.listen({ host: '127.0.0.1', port: 0 }, { credentials })
  const accepted = listener[Symbol.asyncIterator]().next()
  const dialled = await transport.dial(listener.address, { trust: { kind: 'pin', pin: credentials.pin } })
  const server = plain((await accepted).value as Link, options)
  const client = plain(dialled, options)
  server.raiseLimits(limits.link.authenticated)
  client.raiseLimits(limits.link.authenticated)
  const opener = makeOpener(server)
  const log = options.log ?? (() => {})
  const flows = serveFlows({ link: client, lookup: options.service, log })
  void dispatch(client, flows, options.service, log)
  t.teardown(async () => {
    await Promise.all([server.close(), client.close()])
    await flows.close()
    await listener.close()
  })
  return { server, client, opener, flows }
}

/** The link as it is, or seen without its datagrams. */
function plain(link: Link, { withoutDatagrams }: LinkTunnelOptions): Link {
  if (!withoutDatagrams) return link
  return new Proxy(link, {
    get(target, key) {
      if (key === 'datagrams') return undefined
      const value = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

async function dispatch(link: Link, flows: LocalFlows, find: (proxy: string) => Service | undefined, log: Line) {
  for await (const stream of link) void take(stream)
  async function take(stream: Stream): Promise<void> {
    const header = await readStreamHeader(stream, { deadlineMs: 5_000 }).catch(() => undefined)
    if (header === undefined) return
    const service = find(header.proxy)
    if (header.proxy === '') flows.takeStream(stream)
    else if (service === undefined) stream.reset(StreamReset.unknownProxy)
    else await serve({ stream, header, service, log })
  }
}

export interface UdpPeer {
  readonly socket: Socket
  readonly port: number
  close(): Promise<void>
}

/** A bound UDP socket on loopback. */
export async function udpPeer(
  onMessage?: (bytes: Buffer, reply: (bytes: Uint8Array) => void) => void,
  host = '127.0.0.1',
  port = 0,
): Promise<UdpPeer> {
  const socket = createSocket({
    type: host.includes(':') ? 'udp6' : 'udp4',
    recvBufferSize: 4 << 20,
    sendBufferSize: 4 << 20,
  })
  socket.on('error', () => {})
  if (onMessage)
    socket.on('message', (bytes, from) => onMessage(bytes, (reply) => socket.send(reply, from.port, from.address)))
  socket.bind(port, host)
  await once(socket, 'listening')
  return {
    socket,
    port: socket.address().port,
    close: () => new Promise<void>((resolve) => socket.close(resolve)),
  }
}

/** Resolves with the next `count` payloads that the socket gets. */
export function received(socket: Socket, count: number): Promise<Buffer[]> {
  const all: Buffer[] = []
  return new Promise((resolve) => {
    const onMessage = (bytes: Buffer): void => {
      all.push(bytes)
      if (all.length < count) return
      socket.off('message', onMessage)
      resolve(all)
    }
    socket.on('message', onMessage)
  })
}
