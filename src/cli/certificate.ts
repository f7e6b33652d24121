// Makes the certificate of a server that was given none. Clients know it by its key's pin, so names and dates in it
// matter to nobody; it lives long because renewing it would change nothing.

import { KeyObject, webcrypto } from 'node:crypto'
import type { Credentials } from '../transport/transport.js'

const lifeMs = 30 * 365 * 86_400_000
/** Clocks of small machines are sometimes slow. */
const headStartMs = 86_400_000

/** EC P-256, self-signed, PEM; the key in PKCS #8. */
export async function makeCredentials(name: string): Promise<Credentials> {
  // Loaded here alone: it takes 100 ms, and only a first start needs it.
  await import('reflect-metadata')
  const { SubjectAlternativeNameExtension, X509CertificateGenerator } = await import('@peculiar/x509')
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=petrel',
    keys,
    notBefore: new Date(Date.now() - headStartMs),
    notAfter: new Date(Date.now() + lifeMs),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
  })
  const privateKey = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString()
  return { certificate: `${certificate.toString('pem')}\n`, privateKey }
}
