// Which transports this installation has: quic needs the native addon, tls works everywhere.

import type { PetrelError } from '../base/errors.js'
import { transportByName } from '../transport/index.js'
import { loadAddon, missingAddon } from '../transport/native/binding.js'
import type { Transport, TransportName } from '../transport/transport.js'

export interface Installed {
  /** Best first. */
  readonly transports: readonly Transport[]
  /** Why one of them is missing. */
  readonly missing: PetrelError | undefined
}

/** Throws native_missing only where PETREL_NATIVE=require asks for it. */
export function installedTransports(): Installed {
  const missing = missingAddon()
  const names: TransportName[] = missing === undefined ? ['quic', 'tls'] : ['tls']
  return { transports: names.map(transportByName), missing }
}

/** Those that were asked for, or all that are there. Throws native_missing when one was asked for and is not there. */
export function chosenTransports(names: readonly TransportName[] | undefined): Installed {
  if (names === undefined) return installedTransports()
  if (names.includes('quic')) loadAddon()
  return { transports: names.map(transportByName), missing: undefined }
}
