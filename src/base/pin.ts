// The pin of a public key: SHA-256 of its SPKI in DER (RFC 7469 §2.4 has the same). It stays the same as long as the key
// does, whatever certificate is made for it.

import { createHash, X509Certificate } from 'node:crypto'

/** 32 bytes. */
export function spkiPin(certificate: X509Certificate): Buffer {
  return createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
}

/** The pin of the first certificate of a PEM text. Throws OpenSSL's error when there is none. */
export const pemPin = (pem: string): Buffer => spkiPin(new X509Certificate(pem))
