// What a server makes for itself when its configuration names no certificate or no token, and keeps in its state folder.

import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { checkToken, makeToken } from '../base/token.js'
import { type Folders, readIfThere, writeSecret } from '../config/home.js'
import type { ServerSettings } from '../config/server.js'
import type { AllowedClient } from '../server/options.js'
import type { Credentials } from '../transport/transport.js'
import { makeCredentials } from './certificate.js'

export interface Identity {
  readonly credentials: Credentials
  readonly clients: readonly AllowedClient[]
  /** Whether the token was made in this call: then nobody has seen the join string yet. */
  readonly freshToken: boolean
}

/** Deny by default: a server without any allowed client gets one token, and nobody comes in without it. */
export async function serverIdentity(settings: ServerSettings, folders: Folders): Promise<Identity> {
  const kept = async (name: string, make: () => Promise<string> | string): Promise<string> => {
    const file = join(folders.state, name)
    const there = readIfThere(file)
    if (there !== undefined) return there
    const made = await make()
    writeSecret(file, made)
    return made
  }
  const credentials = settings.credentials ?? (await keptCredentials(settings, kept))
  if (settings.clients.length > 0) return { credentials, clients: settings.clients, freshToken: false }
  let freshToken = false
  const text = await kept('server.token', () => {
    freshToken = true
    return `${makeToken()}\n`
  })
  const token = text.trim()
  checkToken(token)
  return { credentials, clients: [{ name: 'token', token }], freshToken }
}

/** Key and certificate in one file, so that they cannot drift apart. */
async function keptCredentials(
  settings: ServerSettings,
  kept: (name: string, make: () => Promise<string>) => Promise<string>,
): Promise<Credentials> {
  const pem = await kept('server.pem', async () => {
    const made = await makeCredentials(settings.publicHost ?? 'petrel')
    return made.certificate + made.privateKey
  })
  const split = pem.indexOf('-----BEGIN PRIVATE KEY-----')
  return { certificate: pem.slice(0, split), privateKey: pem.slice(split) }
}

export interface PublicHost {
  readonly host: string
  /** What to tell the operator when the address may not be the one that clients can reach. */
  readonly hint: string | undefined
}

/** The host for the join string: what was said, else what the server is bound to, else an address of this machine. */
export function publicHost(settings: ServerSettings): PublicHost {
  if (settings.publicHost !== undefined) return { host: settings.publicHost, hint: undefined }
  const bound = settings.bind.host
  if (bound !== '0.0.0.0' && bound !== '::') return { host: bound, hint: undefined }
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80:') && isIP(address) !== 0)
    .map(({ address }) => address)
    .sort((a, b) => Number(isPrivate(a)) - Number(isPrivate(b)) || isIP(a) - isIP(b))
  const host = addresses[0] ?? '127.0.0.1'
  const why = isPrivate(host) ? 'an address of a private network' : 'taken from this machine'
  return {
    host,
    hint: `the join string names ${host}, ${why}: clients must reach the server there, else start it with --public-host NAME`,
  }
}

const isPrivate = (address: string): boolean =>
  /^(10\.|127\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd]|::1$)/i.test(
    address,
  )
