// KCP, sealed, by the native addon.

import { limits } from '../base/limits.js'
import type { SilenceTimes } from './native/limits.js'
import { nativeTransport } from './native/transport.js'
import type { Transport } from './transport.js'

export interface KcpOptions {
  /** When a silent peer is given up; limits.udp when left out. */
  readonly times?: SilenceTimes
}

/** Makes the `kcp` transport. Without the addon, dial and listen reject with native_missing. */
export const kcpTransport = ({ times = limits.udp }: KcpOptions = {}): Transport =>
  nativeTransport({ name: 'kcp', times })
