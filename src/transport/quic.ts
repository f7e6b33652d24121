// QUIC, by the native addon.

import { limits } from '../base/limits.js'
import type { SilenceTimes } from './native/limits.js'
import { nativeTransport } from './native/transport.js'
import type { Transport } from './transport.js'

export interface QuicOptions {
  /** When a silent peer is given up; limits.udp when left out. */
  readonly times?: SilenceTimes
}

/** Makes the `quic` transport. Without the addon, dial and listen reject with native_missing. */
export const quicTransport = ({ times = limits.udp }: QuicOptions = {}): Transport =>
  nativeTransport({ name: 'quic', times })
