// Who may come to a public port, and how many at once: lists of addresses, caps by proxy and by source. Pure.

import { BlockList, isIP } from 'node:net'
import { PetrelError } from '../base/errors.js'
import { ipToBytes, plainAddress, sourceKey } from '../base/ip.js'
import type { ProxySpec, PublicLimits } from './proxy.js'

export type Refusal = 'denied' | 'proxyFull' | 'sourceFull'

/** The counter of an exposure that counts a refusal. */
export const refusedCounter = {
  denied: 'refusedDenied',
  proxyFull: 'refusedProxyFull',
  sourceFull: 'refusedSourceFull',
} as const satisfies Record<Refusal, string>

/** Keeps count of the visitors of one proxy. */
export class Visitors {
  active = 0
  private readonly bySource = new Map<string, number>()
  private readonly isAllowed: (host: string) => boolean
  private readonly most: number
  private readonly mostPerSource: number

  /** Throws config_invalid when a list has an entry that is no address. */
  constructor(spec: ProxySpec, limits: PublicLimits) {
    this.isAllowed = visitorFilter(spec)
    this.most = Math.min(spec.maxConnections ?? limits.maxConnections, limits.maxConnections)
    this.mostPerSource = limits.maxConnectionsPerSource
  }

  /** Counts a visitor in; host as the socket reports it. Whoever is let in must `leave` once. */
  enter(host: string): Refusal | undefined {
    const plain = plainAddress(host)
    if (!this.isAllowed(plain)) return 'denied'
    if (this.active >= this.most) return 'proxyFull'
    const source = sourceKey(plain)
    const held = this.bySource.get(source) ?? 0
    if (held >= this.mostPerSource) return 'sourceFull'
    this.bySource.set(source, held + 1)
    this.active++
    return undefined
  }

  leave(host: string): void {
    const source = sourceKey(plainAddress(host))
    const held = this.bySource.get(source) ?? 0
    if (held > 1) this.bySource.set(source, held - 1)
    else this.bySource.delete(source)
    this.active--
  }
}

/** Whether a visitor's address (IPv4-mapped IPv6 counts as IPv4) passes: deny wins, an allow list leaves out the rest. */
export function visitorFilter(lists: Pick<ProxySpec, 'name' | 'allow' | 'deny'>): (host: string) => boolean {
  const allow = blockList(lists.name, 'allow', lists.allow)
  const deny = blockList(lists.name, 'deny', lists.deny)
  if (allow === undefined && deny === undefined) return () => true
  return (host) => {
    const plain = plainAddress(host)
    const family = isIP(plain) === 6 ? 'ipv6' : 'ipv4'
    if (deny?.check(plain, family)) return false
    return allow === undefined || allow.check(plain, family)
  }
}

function blockList(proxy: string, key: string, entries: readonly string[] | undefined): BlockList | undefined {
  if (entries === undefined) return undefined
  const list = new BlockList()
  for (const entry of entries) {
    const range = parseRange(entry)
    if (range === undefined) {
      const expected = 'write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32'
      throw new PetrelError(
        'config_invalid',
        'config',
        `proxy ${proxy}: ${key} has "${entry}", no address: ${expected}`,
      )
    }
    list.addSubnet(range.host, range.prefix, range.family)
  }
  return list
}

function parseRange(entry: string): { host: string; prefix: number; family: 'ipv4' | 'ipv6' } | undefined {
  const [, address = '', digits] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(entry) ?? []
  const bits = 8 * (ipToBytes(address)?.length ?? 0)
  const prefix = digits === undefined ? bits : Number(digits)
  if (bits === 0 || prefix > bits) return undefined
  const host = plainAddress(address)
  if (isIP(host) === 4 && bits === 128) {
    return prefix < 96 ? undefined : { host, prefix: prefix - 96, family: 'ipv4' }
  }
  return { host, prefix, family: bits === 32 ? 'ipv4' : 'ipv6' }
}
