// A transport's name becomes a transport. The only place that knows them all.

import { PetrelError } from '../base/errors.js'
import { kcpTransport } from './kcp.js'
import { memoryTransport } from './memory.js'
import { quicTransport } from './quic.js'
import { tlsTransport } from './tls.js'
import type { PathSettings, Transport, TransportName } from './transport.js'

const makers: Partial<Record<TransportName, (options: { path?: PathSettings }) => Transport>> = {
  kcp: kcpTransport,
  memory: () => memoryTransport(),
  quic: quicTransport,
  tls: tlsTransport,
}

/** path: of all of its links. Throws unsupported for a transport that this build does not have. */
export function transportByName(name: TransportName, path?: PathSettings): Transport {
  const make = makers[name]
  if (make !== undefined) return make(path === undefined ? {} : { path })
  const known = Object.keys(makers).join(', ')
  throw new PetrelError('unsupported', 'config', `transport "${name}" is not part of this build: use one of ${known}`)
}

/** The same transport on a port of its own, wherever it is told to dial or listen. undefined: as it is. */
export function onPort(transport: Transport, port: number | undefined): Transport {
  if (port === undefined) return transport
  return {
    name: transport.name,
    dial: ({ host }, options) => transport.dial({ host, port }, options),
    listen: ({ host }, options) => transport.listen({ host, port }, options),
  }
}
