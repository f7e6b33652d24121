// What Node and OpenSSL say, as PetrelErrors that say what to do.

import { PetrelError } from '../base/errors.js'
import { formatAddress } from './address.js'
import { cannotListen, type ListenCode } from './errors.js'
import type { Address } from './transport.js'

const codeOf = (error: Error): string => (error as NodeJS.ErrnoException).code ?? ''

// X509_V_ERR names as node:tls gives them, and its own for a name that does not match.
const untrusted = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ISSUER|ALTNAME|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|CRL/

const remedies: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there: check that the server runs, and the port',
  ENOTFOUND: 'the name is unknown: check its spelling and the DNS',
  EAI_AGAIN: 'the DNS does not answer: check that this machine is online',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network: check that this machine is online',
  ETIMEDOUT: 'no answer: check address and firewall',
  ECONNRESET: 'the connection was cut: check that it is a petrel server, and the firewall',
}

/** Why dialling failed: certificate_untrusted, timeout or unreachable. */
export function dialFailure(address: Address, cause: Error): PetrelError {
  const where = formatAddress(address)
  const code = codeOf(cause)
  if (untrusted.test(code) && !code.startsWith('ERR_SSL')) {
    const text = `the certificate of ${where} is not trusted (${cause.message}): give its pin, or the ca that signed it`
    return new PetrelError('certificate_untrusted', 'peer', text, { cause })
  }
  if (code === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL' || code === 'ERR_SSL_WRONG_VERSION_NUMBER') {
    const text = `${where} answers, but it is no petrel server: check host and port`
    return new PetrelError('unreachable', 'peer', text, { cause })
  }
  const text = `cannot reach ${where} over tls: ${remedies[code] ?? cause.message}`
  return new PetrelError(code === 'ETIMEDOUT' ? 'timeout' : 'unreachable', 'network', text, { cause })
}

/** Why listening failed: address_in_use, port_refused or unreachable. */
export function listenFailure(address: Address, cause: Error): PetrelError {
  return cannotListen(address, 'TCP', listenCodes[codeOf(cause)] ?? 'unreachable', cause)
}

const listenCodes: Record<string, ListenCode> = { EADDRINUSE: 'address_in_use', EACCES: 'port_refused' }
