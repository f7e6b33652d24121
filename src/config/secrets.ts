// Secrets and certificates that stand in files of their own.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { checkToken } from '../base/token.js'
import type { Credentials } from '../transport/transport.js'
import type { Reading } from './read.js'
import type { KeyPath } from './schema.js'

type Place = Pick<Reading<unknown>, 'problems' | 'warnings' | 'problem' | 'absolute'>

/** The file's text; a problem at its key when it cannot be read. */
export function readFileAt(place: Place, path: KeyPath, name: string): string | undefined {
  const file = place.absolute(path, name)
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    place.problems.push(place.problem(path, code === 'ENOENT' ? `no such file: ${file}` : `cannot read ${message}`))
    return undefined
  }
}

/** The token that stands at `name` of a group or in the file that NAME_file names; undefined when neither is there, or,
 *  with a problem, when it cannot be used. */
export function readToken(
  place: Place,
  group: KeyPath,
  name: 'token' | 'auth_token',
  text?: string,
  file?: string,
): string | undefined {
  const inFile = [...group, `${name}_file`]
  if (text !== undefined && file !== undefined) {
    place.problems.push(place.problem(inFile, `give ${name} or ${name}_file, not both`))
  }
  if (text !== undefined) return checkedToken(place, [...group, name], text)
  return file === undefined ? undefined : readTokenFile(place, inFile, file)
}

/** A token out of a file; a problem when it is missing or no token, a warning when others can read it. */
function readTokenFile(place: Place, path: KeyPath, name: string): string | undefined {
  const text = readFileAt(place, path, name)?.trim()
  if (text === undefined) return undefined
  warnWhenOpen(place.warnings, place.absolute(path, name))
  return checkedToken(place, path, text)
}

function checkedToken(place: Place, path: KeyPath, token: string): string | undefined {
  try {
    checkToken(token)
    return token
  } catch (error) {
    place.problems.push(place.problem(path, (error as Error).message))
    return undefined
  }
}

/** Certificate and key that belong together; undefined, with problems, when they do not. */
export function readCredentials(place: Place, certFile?: string, keyFile?: string): Credentials | undefined {
  if (certFile === undefined && keyFile === undefined) return undefined
  if (certFile === undefined || keyFile === undefined) {
    const [has, lacks] = certFile === undefined ? ['tls_key_file', 'tls_cert_file'] : ['tls_cert_file', 'tls_key_file']
    place.problems.push(place.problem([has], `needs ${lacks} beside it`))
    return undefined
  }
  const certificate = readFileAt(place, ['tls_cert_file'], certFile)
  const privateKey = readFileAt(place, ['tls_key_file'], keyFile)
  if (certificate === undefined || privateKey === undefined) return undefined
  warnWhenOpen(place.warnings, place.absolute(['tls_key_file'], keyFile))
  const leaf = attempt(() => new X509Certificate(certificate))
  const key = attempt(() => createPrivateKey(privateKey))
  if (leaf === undefined) place.problems.push(place.problem(['tls_cert_file'], 'expected a certificate in PEM'))
  if (key === undefined)
    place.problems.push(place.problem(['tls_key_file'], 'expected a private key in PEM, unencrypted'))
  if (leaf === undefined || key === undefined) return undefined
  if (!leaf.checkPrivateKey(key)) {
    place.problems.push(place.problem(['tls_key_file'], 'this key does not belong to the certificate in tls_cert_file'))
    return undefined
  }
  // Every transport takes PKCS #8, whatever form the key came in.
  return { certificate, privateKey: key.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

/** A secret that every user of the machine can read is none. Windows has no such bits. */
export function warnWhenOpen(warnings: string[], file: string): void {
  if (process.platform === 'win32') return
  const mode = attempt(() => statSync(file).mode)
  if (mode !== undefined && (mode & 0o077) !== 0) {
    warnings.push(`${file} holds a secret and can be read by others: chmod 600 ${file}`)
  }
}

function attempt<T>(what: () => T): T | undefined {
  try {
    return what()
  } catch {
    return undefined
  }
}
