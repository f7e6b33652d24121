// The PROXY protocol v2 header that tells a service who its visitor is (haproxy.org, proxy-protocol.txt §2.2).

import type { Socket } from 'node:net'
import {
  Command,
  IPv4Address,
  IPv4ProxyAddress,
  IPv6Address,
  IPv6ProxyAddress,
  TransportProtocol,
  V2ProxyProtocol,
} from 'proxy-protocol-js'
import { ipToBytes } from '../base/ip.js'
import type { Address } from '../transport/transport.js'

/** Source: the visitor. Destination: the service as this connection reached it; both families must be one, so a mixed
 *  pair goes as IPv6 with IPv4-mapped addresses. The visitor's host is an IP address. */
export function proxyProtocolHeader(
  visitor: Address,
  service: Pick<Socket, 'remoteAddress' | 'remotePort'>,
): Uint8Array {
  const from = ipToBytes(visitor.host)!
  const to = ipToBytes(service.remoteAddress ?? '') ?? new Uint8Array(from.length)
  const port = service.remotePort ?? 0
  const addresses =
    from.length === 4 && to.length === 4
      ? new IPv4ProxyAddress(IPv4Address.createFrom([...from]), visitor.port, IPv4Address.createFrom([...to]), port)
      : new IPv6ProxyAddress(IPv6Address.createFrom(wide(from)), visitor.port, IPv6Address.createFrom(wide(to)), port)
  return new V2ProxyProtocol(Command.PROXY, TransportProtocol.STREAM, addresses).build()
}

/** 16 bytes of an address of 4 or 16. */
const wide = (bytes: Uint8Array): number[] =>
  bytes.length === 16 ? [...bytes] : [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytes]
