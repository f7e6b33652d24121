// Everything that the demo runs, in one process: services, a server, and for each transport a bad link and a client.

import { randomBytes } from 'node:crypto'
import { defaults, limits } from '../../base/limits.js'
import type { Log } from '../../base/log.js'
import { pemPin } from '../../base/pin.js'
import { makeToken } from '../../base/token.js'
import { startClient } from '../../client/client.js'
import type { Client, ClientProxy, ServedProxy } from '../../client/options.js'
import { startServer } from '../../server/server.js'
import type { Address, Transport, TransportName } from '../../transport/transport.js'
import { makeCredentials } from '../certificate.js'
import type { Relay, UdpRelayOptions } from './relay.js'
import { type DemoServices, startServices } from './services.js'
import { startTcpRelay } from './tcp-relay.js'
import { startTwinRelay } from './twin-relay.js'
import { startUdpRelay } from './udp-relay.js'

/** A transport, or all of them in a race. */
export type LinkName = TransportName | 'auto'

export interface StageOptions {
  /** The server's, best first. */
  readonly transports: readonly Transport[]
  /** One client for each. */
  readonly links: readonly LinkName[]
  readonly rttMs: number
  readonly lossPercent: number
  readonly seed: number
  readonly log: Log
}

export interface DemoLink {
  readonly transport: LinkName
  /** What carried it first: of `auto` the one that won. */
  readonly over: string
  readonly client: Client
  readonly relay: Relay
  /** Public addresses. */
  readonly web: Address
  readonly tcp: Address
  readonly udp: Address
}

export interface Stage {
  readonly server: Address
  readonly links: readonly DemoLink[]
  /** Ends everything at once. Settles. */
  close(): Promise<void>
}

const kinds = ['web', 'tcp', 'udp'] as const
const host = '127.0.0.1'

/** Resolves when every service is reachable; on an error everything that was started is closed again. */
export async function setStage(options: StageOptions): Promise<Stage> {
  const started: { close(): Promise<void> }[] = []
  const keep = <T extends { close(): Promise<void> }>(one: T): T => {
    started.push(one)
    return one
  }
  const close = async () => {
    // The last one first: clients tell their server, which still listens, over relays that still carry.
    for (const one of started.splice(0).reverse()) await one.close()
  }
  try {
    const services = keep(await startServices())
    const token = makeToken()
    const credentials = await makeCredentials('localhost')
    const server = keep(
      await startServer({
        bind: { host, port: 0 },
        transports: options.transports,
        credentials,
        clients: [{ name: 'demo', token }],
        ports: defaults.server.portRange,
        proxyBindAddress: host,
        limits: defaults.server.limits,
        log: options.log,
      }),
    )
    const links = options.links.map(async (transport): Promise<DemoLink> => {
      const relay = keep(await startRelay(transport, { ...options, target: { host, port: server.address.port } }))
      const isAuto = transport === 'auto'
      let client: Client | undefined
      const { served, over } = await new Promise<Serving>((resolve, reject) => {
        client = keep(
          startClient({
            server: relay.address,
            transports: options.transports.filter(({ name }) => isAuto || name === transport),
            trust: { kind: 'pin', pin: pemPin(credentials.certificate) },
            token,
            installId: randomBytes(16),
            proxies: proxies(services, transport),
            reconnect: defaults.client.reconnect,
            log: options.log,
            onState(state) {
              if (state.state === 'serving') resolve({ served: state.proxies, over: state.transport })
              if (state.state === 'ended' && state.error !== undefined) reject(state.error)
            },
          }),
        )
      })
      const [web, tcp, udp] = served.map(openAddress)
      if (client === undefined || web === undefined || tcp === undefined || udp === undefined)
        throw new Error('a proxy is missing')
      return { transport, over, client, relay, web, tcp, udp }
    })
    return { server: server.address, links: await all(links), close }
  } catch (error) {
    await close()
    throw error
  }
}

interface Serving {
  readonly served: readonly ServedProxy[]
  readonly over: string
}

/** A bad link of the kind that the transport runs on; for `auto` of both kinds. */
function startRelay(transport: LinkName, bad: UdpRelayOptions): Promise<Relay> {
  if (transport === 'auto') return startTwinRelay(bad)
  return transport === 'tls' ? startTcpRelay(bad) : startUdpRelay(bad)
}

/** As Promise.all, but waits for every one before it throws, so that nothing starts after the clean-up. */
async function all<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises)
  return Promise.all(promises)
}

function openAddress({ public: address, refused }: ServedProxy): Address {
  if (address === undefined) throw refused ?? new Error('a proxy has no address')
  return address
}

function proxies(services: DemoServices, transport: string): ClientProxy[] {
  return kinds.map((kind) => {
    const type = kind === 'udp' ? 'udp' : 'tcp'
    const { port } = services[kind]
    return {
      spec: { type, name: `${kind}-${transport}`, remotePort: 0, localPort: port },
      service: {
        host,
        port,
        proxyProtocol: false,
        noDelay: true,
        connectTimeoutMs: limits.proxy.connectMs,
        idleTimeoutMs: type === 'tcp' ? limits.proxy.tcpIdleMs : limits.proxy.udpIdleMs,
      },
    }
  })
}
