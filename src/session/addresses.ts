// The addresses of a server, in the order in which they are tried: the system's, with IPv6 and IPv4 by turns (RFC 8305,
// §4), so that a family that leads nowhere costs one step and not all.

import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { PetrelError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Address } from '../transport/transport.js'

/** One address at least. Rejects with unreachable. */
export async function addressesOf({ host, port }: Address): Promise<readonly Address[]> {
  if (isIP(host) !== 0) return [{ host, port }]
  try {
    const found = await lookup(host, { all: true, order: 'verbatim' })
    return byTurns(found.map(({ address }) => address))
      .slice(0, limits.race.addresses)
      .map((address) => ({ host: address, port }))
  } catch (cause) {
    const text = `cannot resolve ${host}: check its spelling and the DNS`
    throw new PetrelError('unreachable', 'network', text, { cause })
  }
}

/** Keeps the order within each family; the first one's family begins. Pure. */
export function byTurns(hosts: readonly string[]): readonly string[] {
  const first = isIP(hosts[0] ?? '')
  const ones = hosts.filter((host) => isIP(host) === first)
  const others = hosts.filter((host) => isIP(host) !== first)
  return Array.from({ length: Math.max(ones.length, others.length) }, (_, n) => [ones[n], others[n]])
    .flat()
    .filter((host) => host !== undefined)
}
