// Pins of certificates: SHA-256 of the public key (SPKI, DER), as RFC 7469 §2.4 has it. Used by every transport.

import { createHash, X509Certificate } from 'node:crypto'
import { PetrelError } from '../base/errors.js'
import type { Credentials } from './transport.js'

/** 32 bytes that stay the same as long as the key does. */
export const pinOf = (certificate: X509Certificate): Uint8Array =>
  createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest()

/** The leaf of a PEM chain. Throws config_invalid. */
export function leafOf(credentials: Credentials): X509Certificate {
  try {
    return new X509Certificate(credentials.certificate)
  } catch (cause) {
    throw new PetrelError('config_invalid', 'config', 'the certificate is not a PEM certificate chain', { cause })
  }
}

/** The pin of what these credentials will show to a peer. Throws config_invalid. */
export const credentialsPin = (credentials: Credentials): Uint8Array => pinOf(leafOf(credentials))

export const samePin = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0
