// Certificates for tests: self-signed, or signed by an authority of the test's own. P-256, valid for a day.

import 'reflect-metadata'
import { createHash, randomBytes, webcrypto, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import * as x509 from '@peculiar/x509'
import type { Credentials } from '../../src/transport/transport.js'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const dayMs = 24 * 60 * 60 * 1000
x509.cryptoProvider.set(webcrypto)

export interface TestCredentials extends Credentials {
  /** SHA-256 (32 bytes) of the leaf's SPKI. */
  readonly pin: Uint8Array
}

export interface Authority {
  /** PEM, what a dialler trusts. */
  readonly certificate: string
  sign(options?: { names?: readonly string[]; expired?: boolean }): Promise<TestCredentials>
}

const validity = (expired: boolean) => ({
  notBefore: new Date(Date.now() - (expired ? 3 : 1) * dayMs),
  notAfter: new Date(Date.now() + (expired ? -1 : 1) * dayMs),
})

const alternatives = (names: readonly string[]) =>
  new x509.SubjectAlternativeNameExtension(
    names.map((value) => (isIP(value) === 0 ? { type: 'dns' as const, value } : { type: 'ip' as const, value })),
  )

const newKeys = () =>
  webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>

async function keyPem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
}

const pinOf = (certificate: string): Uint8Array =>
  createHash('sha256')
    .update(new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' }))
    .digest()

/** A self-signed certificate for these names (host names or addresses; localhost and both loopbacks when left out). */
export async function makeCredentials(
  options: { names?: readonly string[]; expired?: boolean } = {},
): Promise<TestCredentials> {
  const names = options.names ?? ['localhost', '127.0.0.1', '::1']
  const keys = await newKeys()
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(8).toString('hex'),
    name: 'CN=petrel test',
    ...validity(options.expired ?? false),
    signingAlgorithm: algorithm,
    keys,
    extensions: [alternatives(names)],
  })
  const certificate = made.toString('pem')
  return { certificate, privateKey: await keyPem(keys), pin: pinOf(certificate) }
}

/** A certificate authority that signs leaf certificates. */
export async function makeAuthority(): Promise<Authority> {
  const keys = await newKeys()
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(8).toString('hex'),
    name: 'CN=petrel test authority',
    ...validity(false),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  })
  const sign: Authority['sign'] = async (options = {}) => {
    const leafKeys = await newKeys()
    const leaf = await x509.X509CertificateGenerator.create({
      serialNumber: randomBytes(8).toString('hex'),
      subject: 'CN=petrel test leaf',
      issuer: root.subject,
      ...validity(options.expired ?? false),
      signingAlgorithm: algorithm,
      signingKey: keys.privateKey,
      publicKey: leafKeys.publicKey,
      extensions: [
        alternatives(options.names ?? ['localhost', '127.0.0.1', '::1']),
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      ],
    })
    const certificate = leaf.toString('pem')
    return { certificate, privateKey: await keyPem(leafKeys), pin: pinOf(certificate) }
  }
  return { certificate: root.toString('pem'), sign }
}
