// What a link may use and how long it may be silent, in the addon's terms.

import { limits } from '../../base/limits.js'
import type { LinkLimits } from '../transport.js'
import type { AddonLimits } from './binding.js'

export interface SilenceTimes {
  /** Silence that ends a link, and the quiet after which the peer is asked for a sign of life. */
  readonly idleMs: number
  readonly keepAliveMs: number
}

export const addonLimits = (of: LinkLimits, times: SilenceTimes = limits.udp): AddonLimits => ({
  streams: of.streams,
  creditBytes: of.creditBytes,
  datagramBytes: of.datagramBytes,
  windowBytes: limits.link.streamWindowMaxBytes,
  idleMs: times.idleMs,
  keepAliveMs: times.keepAliveMs,
})
