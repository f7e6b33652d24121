// A server and clients for tests, wired with whatever a test leaves unsaid.

import { randomBytes } from 'node:crypto'
import { limits } from '../../src/base/limits.js'
import type { Log } from '../../src/base/log.js'
import { makeToken } from '../../src/base/token.js'
import { startClient } from '../../src/client/client.js'
import type { Client, ClientOptions, ClientProxy, ClientState } from '../../src/client/options.js'
import type { ServerOptions } from '../../src/server/options.js'
import { startServer } from '../../src/server/server.js'
import type { Address, Transport } from '../../src/transport/transport.js'
import { makeCredentials } from './credentials.js'

const quiet = () => {}
export const silent: Log = { trace: quiet, debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => silent }

export const token = makeToken()

export async function serverOptions(
  transports: readonly Transport[],
  more: Partial<ServerOptions> = {},
): Promise<ServerOptions> {
  return {
    bind: { host: '127.0.0.1', port: 0 },
    transports,
    credentials: await makeCredentials(),
    clients: [{ name: 'boat', token }],
    ports: { start: 20_000, end: 30_000 },
    proxyBindAddress: '127.0.0.1',
    limits: {
      clients: 10,
      proxiesPerClient: 10,
      connectionsPerProxy: 4096,
      connectionsPerSource: 4096,
      registrationsPerMinute: 100,
      handshakeMs: 5_000,
      handshakes: 100,
      handshakesPerNetwork: 100,
      tcpIdleMs: 60_000,
      udpIdleMs: 60_000,
      link: limits.link.authenticated,
    },
    log: silent,
    ...more,
  }
}

export function clientOptions(
  server: Address,
  transport: Transport | readonly Transport[],
  pin: Uint8Array,
  more: Partial<ClientOptions> = {},
): ClientOptions {
  return {
    server,
    transports: 'name' in transport ? [transport] : transport,
    trust: { kind: 'pin', pin },
    token,
    installId: randomBytes(16),
    proxies: [],
    reconnect: { firstMs: 20, longestMs: 100 },
    log: silent,
    ...more,
  }
}

export const tcpProxy = (name: string, port: number, more: Partial<ClientProxy['spec']> = {}): ClientProxy => ({
  spec: { type: 'tcp', name, remotePort: 0, localPort: port, ...more },
  service: {
    host: '127.0.0.1',
    port,
    proxyProtocol: false,
    noDelay: true,
    connectTimeoutMs: 5_000,
    idleTimeoutMs: 60_000,
  },
})

export const udpProxy = (name: string, port: number): ClientProxy => ({
  ...tcpProxy(name, port),
  spec: { type: 'udp', name, remotePort: 0, localPort: port },
})

/** Starts a client and collects its states; `until` resolves with the first state of that name from now on. */
export function watchClient(options: ClientOptions) {
  const states: ClientState[] = []
  const waiters = new Set<() => void>()
  const client: Client = startClient({
    ...options,
    onState: (state) => {
      states.push(state)
      for (const wake of waiters) wake()
    },
  })
  async function until<S extends ClientState['state']>(name: S): Promise<Extract<ClientState, { state: S }>> {
    for (let seen = 0; ; ) {
      const found = states.slice(seen).find(({ state }) => state === name)
      if (found) {
        states.splice(0, states.indexOf(found) + 1)
        return found as Extract<ClientState, { state: S }>
      }
      seen = 0
      await new Promise<void>((wake) => waiters.add(wake))
      waiters.clear()
    }
  }
  return { client, until }
}

export { startServer }
