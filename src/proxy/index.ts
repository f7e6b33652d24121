// The proxy floor's way in (tcp only until flows land in this file's place).

import type { Address, Link, Stream } from '../transport/transport.js'
import { encodeHeader } from '../wire/headers.js'
import type { LinkOpener, LocalFlows, LogLine, ProxyKind, ProxyType, Service } from './proxy.js'
import { tcp } from './tcp.js'

export { readStreamHeader } from './headers.js'
export { serveTcp as serve } from './tcp.js'

export const proxyTypes: Record<ProxyKind, ProxyType> = { tcp, udp: tcp }

export function makeOpener(link: Link): LinkOpener {
  let streamId = 0
  return {
    flows: {
      open() {
        throw new Error('no flows yet')
      },
    },
    flowCounters: {},
    close() {},
    async open(proxy: string, visitor: Address, signal?: AbortSignal): Promise<Stream> {
      const stream = await link.open(signal)
      stream.write(encodeHeader({ streamId: streamId++, proxy, visitor }))
      return stream
    },
  }
}

export const serveFlows = (_options: {
  link: Link
  lookup(name: string): Service | undefined
  log: LogLine
}): LocalFlows => ({ counters: {}, active: 0, takeStream() {}, async close() {} })
