// Which transports this installation has: quic and kcp need the native addon, tls works everywhere.

import type { PetrelError } from '../base/errors.js'
import { onPort, transportByName } from '../transport/index.js'
import { loadAddon, missingAddon } from '../transport/native/binding.js'
import type { PathSettings, Transport, TransportName } from '../transport/transport.js'

export interface Installed {
  /** Best first. */
  readonly transports: readonly Transport[]
  /** Why one of them is missing. */
  readonly missing: PetrelError | undefined
}

export interface TransportSettings {
  /** Ports that a transport has for itself; the others share one number. */
  readonly ports?: { readonly [Name in TransportName]?: number | undefined }
  readonly path?: PathSettings
}

/** Throws native_missing only where PETREL_NATIVE=require asks for it. */
export function installedTransports(settings: TransportSettings = {}): Installed {
  const missing = missingAddon()
  const names: TransportName[] = missing === undefined ? ['quic', 'kcp', 'tls'] : ['tls']
  return { transports: made(names, settings), missing }
}

/** Those that were asked for, or all that are there. Throws native_missing when one was asked for and is not there. */
export function chosenTransports(
  names: readonly TransportName[] | undefined,
  settings: TransportSettings = {},
): Installed {
  if (names === undefined) return installedTransports(settings)
  if (names.includes('quic') || names.includes('kcp')) loadAddon()
  return { transports: made(names, settings), missing: undefined }
}

const made = (names: readonly TransportName[], { ports, path }: TransportSettings): readonly Transport[] =>
  names.map((name) => onPort(transportByName(name, path), ports?.[name]))
