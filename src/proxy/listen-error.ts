// What the system says when it refuses a public port, in petrel's words.

import { type ErrorCode, PetrelError } from '../base/errors.js'
import { hostPort } from '../base/ip.js'
import type { Address } from '../transport/transport.js'

export function listenError(kind: 'tcp' | 'udp', address: Address, cause: NodeJS.ErrnoException): PetrelError {
  const [code, advice] = known[cause.code ?? ''] ?? ['config_invalid', cause.message]
  return new PetrelError(code, 'config', `${kind} ${hostPort(address.host, address.port)}: ${advice}`, { cause })
}

const known: Record<string, readonly [ErrorCode, string]> = {
  EADDRINUSE: ['address_in_use', 'another program holds this port: stop it or choose another remote_port'],
  EACCES: ['port_refused', 'the system forbids this port: below 1024 it takes root or CAP_NET_BIND_SERVICE'],
  EPERM: ['port_refused', 'the system forbids this port: look at its firewall and sandbox rules'],
  EADDRNOTAVAIL: ['config_invalid', 'this machine has no such address: set bind_addr to one of its own'],
  EINVAL: ['config_invalid', 'not an address to listen on: set bind_addr to one of this machine'],
  ENOTFOUND: ['config_invalid', 'this name has no address: set bind_addr to an IP address'],
  EAFNOSUPPORT: ['config_invalid', 'this machine has no IPv6: set bind_addr to an IPv4 address'],
  EMFILE: ['limit_exceeded', 'no descriptors left: raise the limit (ulimit -n)'],
}
