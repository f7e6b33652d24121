// Makes the status document of this process from what its server or client says.

import type { Client } from '../../client/options.js'
import type { Server } from '../../server/options.js'
import { formatAddress } from '../../transport/address.js'
import type { Address, LinkStats } from '../../transport/transport.js'
import { dialledAddress } from '../banner.js'
import { version } from '../version.js'
import type { LinkReport, PetrelStatus, ProxyReport, SessionReport } from './document.js'

/** transports: those on which it listens. */
export const describeServer = (server: Server, transports: readonly string[]): PetrelStatus => ({
  ...describeProcess('server'),
  server: formatAddress(server.address),
  transports: [...transports],
  sessions: server.sessions().map(({ client, since, flows, proxies, ...link }) => ({
    client,
    since: since.toISOString(),
    link: describeLink(link),
    flows,
    proxies: proxies.map(
      ({ name, type, address, localPort, active, counters }): ProxyReport => ({
        name,
        type,
        public: formatAddress(address),
        service: `:${localPort}`,
        active,
        counters,
      }),
    ),
  })),
})

export function describeClient(client: Client): PetrelStatus {
  const { server, state, session } = client.status()
  return {
    ...describeProcess('client'),
    server: formatAddress(server),
    state: state.state,
    error: 'error' in state ? state.error?.message : undefined,
    sessions: session === undefined ? [] : [describeSession(session, server)],
  }
}

type ClientSession = NonNullable<ReturnType<Client['status']>['session']>

const describeSession = ({ since, flows, proxies, ...link }: ClientSession, server: Address): SessionReport => ({
  since: since.toISOString(),
  link: describeLink(link),
  flows,
  proxies: proxies.map(
    ({ name, type, public: address, service, refused, active, counters }): ProxyReport => ({
      name,
      type,
      public: address && formatAddress(dialledAddress(address, server)),
      service: formatAddress(service),
      refused: refused?.message,
      active,
      counters,
    }),
  ),
})

function describeProcess<Role extends 'server' | 'client'>(role: Role) {
  const uptimeMs = Math.round(process.uptime() * 1000)
  const startedAt = new Date(Date.now() - uptimeMs).toISOString()
  return { role, version: version(), pid: process.pid, startedAt, uptimeMs }
}

interface OneLink {
  readonly transport: string
  readonly remote: Address
  readonly link: LinkStats
}

const describeLink = ({ transport, remote, link }: OneLink): LinkReport => ({
  transport,
  remote: formatAddress(remote),
  ...link,
})
