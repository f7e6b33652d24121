import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { PetrelError } from '../../base/errors.js'
import type { Address } from '../transport.js'

/** The addresses of a name, in the order to be tried. */
export async function resolve(address: Address): Promise<string[]> {
  if (isIP(address.host) !== 0) return [address.host]
  try {
    return (await lookup(address.host, { all: true })).map((found) => found.address)
  } catch (cause) {
    const text = `cannot resolve ${address.host}: check its spelling and the DNS`
    throw new PetrelError('unreachable', 'network', text, { cause })
  }
}
