// How many connections that have not proved who they are a listener holds: in all, and from one network, so that one
// network cannot shut the others out. Pure counting.

import { isIPv6 } from 'node:net'
import { limits } from '../base/limits.js'

export class Strangers {
  readonly #most: number
  readonly #mostPerNetwork: number
  readonly #networks = new Map<string, number>()
  #count = 0

  constructor(most: number = limits.tls.strangers, mostPerNetwork: number = limits.tls.strangersPerNetwork) {
    this.#most = most
    this.#mostPerNetwork = mostPerNetwork
  }

  get count(): number {
    return this.#count
  }

  /** Lets one in. Returns what to call, once or more, when it has proved who it is or has gone; undefined: full. */
  enter(host: string): (() => void) | undefined {
    const network = networkOf(host)
    const here = this.#networks.get(network) ?? 0
    if (this.#count >= this.#most || here >= this.#mostPerNetwork) return undefined
    this.#networks.set(network, here + 1)
    this.#count++
    let inside = true
    return () => {
      if (!inside) return
      inside = false
      this.#count--
      const left = this.#networks.get(network)! - 1
      if (left === 0) this.#networks.delete(network)
      else this.#networks.set(network, left)
    }
  }
}

/** The /24 of an IPv4 address, the /64 of an IPv6 one, as a key. */
export function networkOf(host: string): string {
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+)\.\d+$/i.exec(host)
  if (v4 !== null) return v4[1]!
  if (!isIPv6(host)) return host
  const [left = '', right] = host.split('%')[0]!.split('::')
  const groups = left === '' ? [] : left.split(':')
  const tail = right === undefined || right === '' ? [] : right.split(':')
  while (groups.length + tail.length < 8) groups.push('0')
  return [...groups, ...tail]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
