// A process of its own: many clients of one server, each with one proxy for the same service. Tells its parent their
// public ports once all are served.

import { transportByName } from '../../src/transport/index.js'
import type { TransportName } from '../../src/transport/transport.js'
import { clientOptions, tcpProxy, watchClient } from './ends.js'

export interface Fleet {
  readonly transport: TransportName
  readonly server: { readonly host: string; readonly port: number }
  readonly token: string
  readonly service: number
  readonly clients: number
}

/** Handshakes at once: few enough that no server asks for a proof of address. */
const atOnce = 8

async function sail({ transport, server, token, service, clients }: Fleet): Promise<number[]> {
  const ports: number[] = []
  let left = clients
  const one = async () => {
    while (left-- > 0) {
      // Names are unique on the server.
      const proxies = [tcpProxy(`bulk-${left}`, service)]
      const options = { token, proxies, trust: { kind: 'unverified' as const } }
      const { until } = watchClient(clientOptions(server, transportByName(transport), new Uint8Array(), options))
      const serving = await until('serving')
      ports.push(serving.proxies[0]?.public?.port ?? 0)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
  return ports
}

process.once('disconnect', () => process.exit())
process.once('message', (fleet: Fleet) => {
  void sail(fleet).then((ports) => process.send?.(ports))
})
