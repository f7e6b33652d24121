// Which public ports to try for one registration, in order. Pure but for chance, which is handed in.

import { limits } from '../base/limits.js'
import { isWithin, type PortRange } from '../control/policy.js'

/**
 * wanted: the port asked for, 0 for any. last: the port that this proxy had before. A port asked for is the only
 * one; else the last one if it is still allowed, then some by chance, so that nobody can guess the next.
 */
export function candidatePorts(
  wanted: number,
  ranges: readonly PortRange[],
  last: number | undefined,
  random: () => number = Math.random,
): readonly number[] {
  if (wanted !== 0) return [wanted]
  const total = ranges.reduce((sum, { start, end }) => sum + Math.max(0, end - start + 1), 0)
  const nth = (index: number): number => {
    let left = index
    for (const { start, end } of ranges) {
      const size = Math.max(0, end - start + 1)
      if (left < size) return start + left
      left -= size
    }
    return 0
  }
  const first = Math.floor(random() * total)
  // A stride coprime with the total visits every port once, far from the one before.
  const stride = coprimeStride(total)
  const tries = Array.from({ length: Math.min(total, limits.ports.tries) }, (_, i) => nth((first + i * stride) % total))
  return last !== undefined && isWithin(ranges, last) ? [last, ...tries.filter((port) => port !== last)] : tries
}

function coprimeStride(total: number): number {
  let stride = Math.max(1, Math.floor(total * 0.618))
  while (commonDivisor(stride, total) > 1) stride++
  return stride
}

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b))
