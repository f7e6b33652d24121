// The pin of a public key: SHA-256 of its SPKI in DER (RFC 7469 §2.4 has the same).

import { createHash, type X509Certificate } from 'node:crypto'

/** 32 bytes. */
export function spkiPin(certificate: X509Certificate): Buffer {
  return createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
}
