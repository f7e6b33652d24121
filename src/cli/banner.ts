// What a client says when its services are dialledAddress: which public address leads where, over what.

import type { ServedProxy } from '../client/options.js'
import { formatAddress } from '../transport/address.js'
import type { Address } from '../transport/transport.js'

export interface Serving {
  readonly server: Address
  readonly transport: string
  readonly proxies: readonly ServedProxy[]
}

/** Three lines for one proxy; one more for each further one, and for each that was refused. */
export function banner({ server, transport, proxies }: Serving): string[] {
  const open = proxies.filter(({ refused }) => refused === undefined)
  const refused = proxies.filter((proxy) => proxy.refused !== undefined)
  const [only] = open
  const lines =
    only !== undefined && open.length === 1
      ? [`public   ${publicUrl(only, server)}`, `service  ${formatAddress(only.service)}`]
      : open.map((proxy) => `${publicUrl(proxy, server)}  ->  ${formatAddress(proxy.service)}  (${proxy.name})`)
  return [
    ...lines,
    `${open.length === 1 ? 'over    ' : 'over'} ${transport}, by way of ${formatAddress(server)}`,
    ...refused.map(({ name, refused: error }) => `refused  ${name}: ${error?.message}`),
  ]
}

/** The same for machines: one record. `public` is what a visitor dials, `refused` says why there is none. */
export function servingRecord({ server, transport, proxies }: Serving) {
  return {
    server: formatAddress(server),
    transport,
    proxies: proxies.map((proxy) => ({
      name: proxy.name,
      type: proxy.type,
      public: proxy.public === undefined ? undefined : publicAddress(proxy, server),
      service: formatAddress(proxy.service),
      refused: proxy.refused?.message,
    })),
  }
}

const publicUrl = (proxy: ServedProxy, server: Address): string => `${proxy.type}://${publicAddress(proxy, server)}`

/** Where a visitor dials; the server's own host where the port is open on all of its addresses. */
export const dialledAddress = (address: Address, server: Address): Address =>
  address.host === '0.0.0.0' || address.host === '::' ? { host: server.host, port: address.port } : address

/** "host:port". */
const publicAddress = (proxy: ServedProxy, server: Address): string =>
  formatAddress(dialledAddress(proxy.public ?? { host: server.host, port: 0 }, server))
