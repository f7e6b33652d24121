// What a link may use, how long it may be silent and what it is told of its path, in the addon's terms.

import type { LinkLimits } from '../transport.js'
import type { AddonLimits, AddonProfile } from './binding.js'
import type { Protocol } from './protocol.js'

export interface SilenceTimes {
  /** Silence that ends a link, and the quiet after which the peer is asked for a sign of life. */
  readonly idleMs: number
  readonly keepAliveMs: number
}

export const addonLimits = (of: LinkLimits, protocol: Protocol): AddonLimits => ({
  streams: of.streams,
  creditBytes: of.creditBytes,
  datagramBytes: of.datagramBytes,
  windowBytes: protocol.path.profile.windowBytes,
  handshakeMs: protocol.path.profile.handshakeMs,
  idleMs: protocol.times.idleMs,
  keepAliveMs: protocol.times.keepAliveMs,
  profile: addonProfile(protocol),
})

function addonProfile({ name, path: { profile, bandwidth, bandwidthLimit } }: Protocol): AddonProfile {
  const { packets, time } = profile.reordering[name]
  return {
    reorderPackets: packets,
    reorderTime: time,
    firstPackets: profile.firstPackets,
    sendBytes: profile.sendBytes,
    socketBytes: profile.socketBytes,
    ...(bandwidth === undefined ? {} : { bandwidth }),
    ...(bandwidthLimit === undefined ? {} : { bandwidthLimit }),
  }
}
