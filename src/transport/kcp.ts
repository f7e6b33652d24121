// KCP, sealed, by the native addon.

import { defaults, limits, profiles } from '../base/limits.js'
import type { SilenceTimes } from './native/limits.js'
import { nativeTransport } from './native/transport.js'
import type { PathSettings, Transport } from './transport.js'

export interface KcpOptions {
  /** When a silent peer is given up; limits.udp when left out. */
  readonly times?: SilenceTimes
  /** The profile `default` when left out. */
  readonly path?: PathSettings
}

/** Makes the `kcp` transport. Without the addon, dial and listen reject with native_missing. */
export const kcpTransport = ({
  times = limits.udp,
  path = { profile: profiles[defaults.profile] },
}: KcpOptions = {}): Transport => nativeTransport({ name: 'kcp', times, path })
