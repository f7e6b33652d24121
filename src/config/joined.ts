// What `petrel join` and the first contact with a server leave behind in the configuration folder.

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { PetrelError } from '../base/errors.js'
import { formatAddress } from '../transport/address.js'
import type { Address } from '../transport/transport.js'
import { type Folders, readIfThere, writeSecret } from './home.js'
import { formatJoin, type Join, parseJoin } from './join-string.js'

const joinedFile = ({ config }: Folders) => join(config, 'joined')
const pinsFile = ({ config }: Folders) => join(config, 'known-servers.yaml')
const installFile = ({ config }: Folders) => join(config, 'install-id')

/** Stores the server that every later command uses when it is told no other. Returns the file's name. */
export function writeJoined(folders: Folders, joined: Join): string {
  writeSecret(joinedFile(folders), `${formatJoin(joined)}\n`)
  return joinedFile(folders)
}

/** Throws config_invalid when the file is there and cannot be used. */
export function readJoined(folders: Folders): Join | undefined {
  const text = readIfThere(joinedFile(folders))
  if (text === undefined) return undefined
  try {
    return parseJoin(text)
  } catch (cause) {
    const message = `${joinedFile(folders)} is damaged: remove it and run \`petrel join\` again`
    throw new PetrelError('config_invalid', 'config', message, { cause })
  }
}

/** Pins of servers that proved a token once, by "host:port": 43 characters of base64url each. */
export function knownPin(folders: Folders, server: Address): Uint8Array | undefined {
  const pin = readPins(folders)[formatAddress(server)]
  const bytes = typeof pin === 'string' ? Buffer.from(pin, 'base64url') : undefined
  return bytes?.length === 32 ? new Uint8Array(bytes) : undefined
}

export function rememberPin(folders: Folders, server: Address, pin: Uint8Array): void {
  const pins = { ...readPins(folders), [formatAddress(server)]: Buffer.from(pin).toString('base64url') }
  const heading = '# Public keys (SHA-256) of servers that proved a token here. Remove a line to trust anew.\n'
  writeSecret(pinsFile(folders), heading + stringify(pins))
}

function readPins(folders: Folders): Record<string, unknown> {
  const value: unknown = parse(readIfThere(pinsFile(folders)) ?? '')
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** 16 random bytes of this installation, made on first use. */
export function installId(folders: Folders): Uint8Array {
  const kept = Buffer.from(readIfThere(installFile(folders))?.trim() ?? '', 'hex')
  if (kept.length === 16) return new Uint8Array(kept)
  const made = randomBytes(16)
  writeSecret(installFile(folders), `${made.toString('hex')}\n`)
  return new Uint8Array(made)
}
