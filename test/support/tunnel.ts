// Both halves of a proxy with nothing between them but streams in memory: a StreamOpener whose streams are served at
// once, as a client would.

import { limits } from '../../src/base/limits.js'
import type { Line } from '../../src/base/log.js'
import { readStreamHeader } from '../../src/proxy/headers.js'
import type { PublicSide, Service, StreamHeader, StreamOpener } from '../../src/proxy/proxy.js'
import { encodeHeader } from '../../src/wire/headers.js'
import { type MemoryStream, streamPair } from './streams.js'

export type TakeStream = (stream: MemoryStream, header: StreamHeader) => void

/** windowBytes: credit of each stream. */
export function memoryOpener(take: TakeStream, windowBytes?: number): StreamOpener {
  let streamId = 0
  return {
    async open(proxy, visitor) {
      const [near, far] = streamPair(windowBytes)
      near.write(encodeHeader({ streamId: streamId++, proxy, visitor }))
      readStreamHeader(far, { deadlineMs: 5_000 }).then(
        (header) => take(far, header),
        () => {},
      )
      return near
    },
    flows: {
      open() {
        throw new Error('this opener has no flows')
      },
    },
  }
}

export const silent: Line = () => {}

/** A public side on loopback with a free port. */
export function publicSide(more: Partial<PublicSide['limits']> = {}, log = silent): PublicSide {
  const { connections, connectionsPerSource, tcpIdleMs } = limits.proxy
  const caps = { maxConnections: connections, maxConnectionsPerSource: connectionsPerSource, idleTimeoutMs: tcpIdleMs }
  return { bindAddress: '127.0.0.1', port: 0, limits: { ...caps, ...more }, log }
}

export function localService(port: number, more: Partial<Service> = {}): Service {
  const { connectMs, tcpIdleMs } = limits.proxy
  const service = { host: '127.0.0.1', port, proxyProtocol: false, noDelay: true }
  return { ...service, connectTimeoutMs: connectMs, idleTimeoutMs: tcpIdleMs, ...more }
}
