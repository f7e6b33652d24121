// Which transports this installation has: quic needs the native addon, tls works everywhere.

import { isPetrelError, type PetrelError } from '../base/errors.js'
import { transportByName } from '../transport/index.js'
import type { Transport, TransportName } from '../transport/transport.js'

export interface Installed {
  /** Best first. */
  readonly transports: readonly Transport[]
  /** Why one of them is missing. */
  readonly missing: PetrelError | undefined
}

const bestFirst: readonly TransportName[] = ['quic', 'tls']

export function installedTransports(): Installed {
  const transports: Transport[] = []
  let missing: PetrelError | undefined
  for (const name of bestFirst) {
    try {
      transports.push(transportByName(name))
    } catch (error) {
      if (!isPetrelError(error, 'native_missing') && !isPetrelError(error, 'unsupported')) throw error
      missing = error
    }
  }
  return { transports, missing }
}

/** Those that were asked for, or all that are there. Throws native_missing when one was asked for and is not there. */
export function chosenTransports(names: readonly TransportName[] | undefined): Installed {
  if (names === undefined) return installedTransports()
  return { transports: names.map((name) => transportByName(name)), missing: undefined }
}
