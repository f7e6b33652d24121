// The certificates that every transport shows and checks.

import { X509Certificate } from 'node:crypto'
import { PetrelError } from '../base/errors.js'
import { spkiPin } from '../base/pin.js'
import type { Credentials } from './transport.js'

/** The leaf of a PEM chain. Throws config_invalid. */
export function leafOf(credentials: Credentials): X509Certificate {
  try {
    return new X509Certificate(credentials.certificate)
  } catch (cause) {
    throw new PetrelError('config_invalid', 'config', 'the certificate is not a PEM certificate chain', { cause })
  }
}

/** The pin of what these credentials will show to a peer. Throws config_invalid. */
export const credentialsPin = (credentials: Credentials): Uint8Array => spkiPin(leafOf(credentials))

export const samePin = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0
