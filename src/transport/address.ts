// "host:port" as people write it, IPv6 in brackets (RFC 3986 §3.2.2).

import { isIPv6 } from 'node:net'
import { PetrelError } from '../base/errors.js'
import { hostPort } from '../base/ip.js'
import type { Address } from './transport.js'

/** Reads "host", "host:port", "[v6]:port" or a bare IPv6 address. Throws config_invalid. */
export function parseAddress(text: string, defaultPort: number): Address {
  if (isIPv6(text)) return { host: text, port: defaultPort }
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s/]+))(?::(\d{1,5}))?$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  if (host === undefined || port > 65535 || (match?.[1] !== undefined && !isIPv6(match[1]))) {
    throw new PetrelError('config_invalid', 'config', `"${text}" is not an address: write host:port or [ipv6]:port`)
  }
  return { host, port }
}

export const formatAddress = ({ host, port }: Address): string => hostPort(host, port)
