// IP addresses between text and bytes: RFC 4291 §2.2 in, RFC 5952 out. Pure; names are not resolved here.

import { isIP, isIPv6 } from 'node:net'

/** 4 or 16 bytes of an address in text; undefined when it is none. A zone ("%eth0") is left out. */
export function ipToBytes(text: string): Uint8Array | undefined {
  const plain = withoutZone(text)
  const family = isIP(plain)
  if (family === 0) return undefined
  if (family === 4) return new Uint8Array(plain.split('.').map(Number))
  const [head = '', tail] = plain.split('::')
  const left = groups(head)
  const right = tail === undefined ? [] : groups(tail)
  const middle = new Array<number>(8 - left.length - right.length).fill(0)
  return Uint8Array.from([...left, ...middle, ...right].flatMap((group) => [group >> 8, group & 0xff]))
}

/** Text of 4 or 16 bytes; the longest run of two or more zero groups becomes "::". */
export function ipFromBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const parts = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16))
  const run = longestZeroRun(parts)
  if (run === undefined) return parts.join(':')
  return `${parts.slice(0, run.start).join(':')}::${parts.slice(run.start + run.length).join(':')}`
}

/** "::ffff:192.0.2.1", which a dual-stack socket reports, becomes "192.0.2.1"; a zone goes; the rest stays as it is. */
export function plainAddress(host: string): string {
  if (!host.includes(':')) return host
  const plain = withoutZone(host)
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1]
  return mapped ?? plain
}

/** What counts as one source: an IPv4 address, or the /64 of an IPv6 address, which one host usually holds whole. */
export function sourceKey(host: string): string {
  if (!host.includes(':') || !isIPv6(host)) return host
  return ipFromBytes(ipToBytes(host)!.fill(0, 8))
}

/** "192.0.2.1:80" or "[2001:db8::1]:80". */
export const hostPort = (host: string, port: number): string => (isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`)

const withoutZone = (text: string): string => {
  const zone = text.indexOf('%')
  return zone === -1 ? text : text.slice(0, zone)
}

/** The 16-bit groups of one side of "::"; a dotted tail counts as two. */
function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)]
    const [a, b, c, d] = part.split('.').map(Number)
    return [(a! << 8) | b!, (c! << 8) | d!]
  })
}

function longestZeroRun(parts: readonly string[]): { start: number; length: number } | undefined {
  let best: { start: number; length: number } | undefined
  for (let start = 0; start < parts.length; start++) {
    let end = start
    while (parts[end] === '0') end++
    if (end - start >= 2 && end - start > (best?.length ?? 0)) best = { start, length: end - start }
  }
  return best
}
