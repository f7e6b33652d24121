// A process of its own: half of a plain relay, what petrel is compared with. `entry` takes visitors and dials the exit
// once for each; `exit` takes those and dials the service. TCP, or TLS 1.3 with a handshake each, in between.
// Usage: relay.js entry|exit tcp|tls PORT, the port that it dials. Prints its own.

import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import * as tls from 'node:tls'
import * as x509 from '@peculiar/x509'

const [side, kind, port] = process.argv.slice(2)
const to = { host: '127.0.0.1', port: Number(port), noDelay: true, allowHalfOpen: true }
const plain = { noDelay: true, allowHalfOpen: true }

const relay = (from: Socket, next: Socket) => {
  Promise.all([pipeline(from, next), pipeline(next, from)]).catch(() => {
    from.destroy()
    next.destroy()
  })
}

/** Self-signed, P-256, for a day. */
async function credentials(): Promise<{ key: string; cert: string }> {
  x509.cryptoProvider.set(webcrypto)
  const signingAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = (await webcrypto.subtle.generateKey(signingAlgorithm, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=relay',
    notAfter: new Date(Date.now() + 24 * 60 * 60 * 1000),
    signingAlgorithm,
    keys,
  })
  const key = x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
  return { key, cert: made.toString('pem') }
}

async function serve(): Promise<Server> {
  if (side === 'entry') {
    // Not checked: who is at the other end of loopback is not what is measured.
    const secure = { ...to, rejectUnauthorized: false, minVersion: 'TLSv1.3' as const }
    // tls.connect drops the option noDelay.
    const dial = () => (kind === 'tls' ? tls.connect(secure).setNoDelay(true) : connect(to))
    return createServer(plain, (visitor) => relay(visitor, dial()))
  }
  const take = (from: Socket) => relay(from, connect(to))
  if (kind === 'tcp') return createServer(plain, take)
  return tls.createServer({ ...plain, ...(await credentials()), minVersion: 'TLSv1.3' }, take)
}

const server = await serve()
server.listen(0, '127.0.0.1', 1024, () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(`port ${address.port}`)
})
process.once('SIGTERM', () => process.exit())
