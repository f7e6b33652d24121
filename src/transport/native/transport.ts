// A Transport of any protocol that the addon speaks.

import type { Transport } from '../transport.js'
import { dial } from './dial.js'
import { NativeListener } from './listener.js'
import type { Protocol } from './protocol.js'

/** Without the addon, dial and listen reject with native_missing. */
export const nativeTransport = (protocol: Protocol): Transport => ({
  name: protocol.name,
  dial: (address, options) => dial(protocol, address, options),
  listen: (address, options) => NativeListener.start(protocol, address, options),
})
