// What tells one native transport from another.

import type { PathSettings } from '../transport.js'
import type { NativeProtocol } from './binding.js'
import type { SilenceTimes } from './limits.js'

export interface Protocol {
  readonly name: NativeProtocol
  /** When a silent peer is given up. */
  readonly times: SilenceTimes
  readonly path: PathSettings
}
