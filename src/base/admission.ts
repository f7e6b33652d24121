// How many strangers may be at the door at once: in all, and from one network (/24 of IPv4, /64 of IPv6), so that one
// network cannot keep the others out. Pure counting.

import { ipToBytes, plainAddress } from './ip.js'

export class Admission {
  #total = 0
  readonly #networks = new Map<string, number>()

  /** undefined: full. Else a function that gives the place back; idempotent. */
  enter(host: string, most: { readonly total: number; readonly perNetwork: number }): (() => void) | undefined {
    const network = networkOf(host)
    const held = this.#networks.get(network) ?? 0
    if (this.#total >= most.total || held >= most.perNetwork) return undefined
    this.#total++
    this.#networks.set(network, held + 1)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#total--
      const left = (this.#networks.get(network) ?? 1) - 1
      if (left > 0) this.#networks.set(network, left)
      else this.#networks.delete(network)
    }
  }
}

/** The /24 of an IPv4 address, the /64 of an IPv6 one, as a key. A host that is no address is its own. */
export function networkOf(host: string): string {
  const bytes = ipToBytes(plainAddress(host))
  if (bytes === undefined) return host
  return Buffer.from(bytes.subarray(0, bytes.length === 4 ? 3 : 8)).toString('hex')
}
