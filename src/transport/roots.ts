// The roots of trust `system`: those that Node carries and those that the system's administrator added. Node 20 reads
// the system's only with a flag, so the usual bundles are read here, once.

import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'

// Debian and kin; Fedora and kin; Alpine and the BSDs and macOS.
const bundles = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem']

let roots: string[] | undefined

/** PEM certificates. SSL_CERT_FILE, when set, names the system's bundle. */
export function systemRoots(): string[] {
  roots ??= [...rootCertificates, ...systemBundle()]
  return roots
}

function systemBundle(): string[] {
  const files = process.env.SSL_CERT_FILE === undefined ? bundles : [process.env.SSL_CERT_FILE]
  for (const file of files) {
    try {
      return [readFileSync(file, 'utf8')]
    } catch {
      // A system without this bundle: the next, or Node's own roots alone.
    }
  }
  return []
}
