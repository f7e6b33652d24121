// A whole tunnel in this process: server, client, and between them a relay where a test wants a slow or broken link.

import type { ExecutionContext } from 'ava'
import type { Relay } from '../../src/cli/demo/relay.js'
import { startTcpRelay } from '../../src/cli/demo/tcp-relay.js'
import { startTwinRelay } from '../../src/cli/demo/twin-relay.js'
import { startUdpRelay } from '../../src/cli/demo/udp-relay.js'
import type { Client, ClientOptions, ClientProxy } from '../../src/client/options.js'
import type { Server } from '../../src/server/options.js'
import type { Address, Transport } from '../../src/transport/transport.js'
import { clientOptions, serverOptions, startServer, watchClient } from './ends.js'
import type { LinkName } from './over.js'

/** A bad link in front of a listener, of the kind that the transport runs on. */
export function startRelay(
  transport: LinkName,
  target: Address,
  rttMs: number,
  { lossPercent = 0, seed = 1 }: Loss = {},
): Promise<Relay> {
  if (transport === 'auto') return startTwinRelay({ target, rttMs, lossPercent, seed })
  return transport === 'tls' ? startTcpRelay({ target, rttMs }) : startUdpRelay({ target, rttMs, lossPercent, seed })
}

/** Of packets in each direction; TCP relays lose nothing. */
export interface Loss {
  readonly lossPercent?: number
  readonly seed?: number
}

/** From now on nothing arrives on either side, and nobody is told. What was on its way may still arrive. */
export function goDark(relay: Relay): void {
  relay.change({ lossPercent: 100, rttMs: 2_000_000 })
}

export interface Tunnel {
  readonly server: Server
  readonly client: Client
  /** Undefined where no round trip was asked for. */
  readonly relay: Relay | undefined
  /** Public ports, in the order of the proxies. */
  readonly ports: readonly number[]
}

/** Up when it resolves; taken down with the test. rttMs: over a relay with this round trip. */
export async function startTunnel(
  t: ExecutionContext,
  over: Transport,
  proxies: readonly ClientProxy[],
  more: Loss & { readonly rttMs?: number; readonly client?: Partial<ClientOptions> } = {},
): Promise<Tunnel> {
  const server = await startServer(await serverOptions([over]))
  t.teardown(() => server.close())
  const relay = more.rttMs === undefined ? undefined : await startRelay(over.name, server.address, more.rttMs, more)
  t.teardown(() => relay?.close())
  const dialled = relay?.address ?? server.address
  const { client, until } = watchClient(clientOptions(dialled, over, server.pin, { proxies, ...more.client }))
  t.teardown(() => client.close())
  const serving = await until('serving')
  return { server, client, relay, ports: serving.proxies.map((proxy) => proxy.public?.port ?? 0) }
}
