// How many strangers may be in their handshake at once: in all, and from one network (/24 of IPv4, /64 of IPv6), so
// that one address cannot keep the others out.

import { isIPv6 } from 'node:net'

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

/** "192.0.2" of 192.0.2.7 and of ::ffff:192.0.2.7; the first four groups of an IPv6 address. */
export function networkOf(host: string): string {
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+)\.\d+$/i.exec(host)
  if (v4?.[1] !== undefined) return v4[1]
  if (!isIPv6(host)) return host
  const [head = '', tail] = (host.split('%')[0] ?? '').split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const after = tail === '' ? 0 : tail.split(':').length
    while (groups.length < 8 - after) groups.push('0')
    if (tail !== '') groups.push(...tail.split(':'))
  }
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
