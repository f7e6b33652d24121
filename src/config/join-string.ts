// petrel://host:port#token.pin, or petrel://host:port?kcp=port#token.pin: everything that a client must know of its server, in one string to paste.

import { PetrelError } from '../base/errors.js'
import { defaults } from '../base/limits.js'
import { checkToken } from '../base/token.js'
import { formatAddress, parseAddress } from '../transport/address.js'
import type { Address } from '../transport/transport.js'

export interface Join {
  readonly server: Address
  /** Where the server has kcp on a port of its own. */
  readonly kcpPort?: number | undefined
  readonly token: string
  /** 32 bytes: SHA-256 of the server's public key. */
  readonly pin: Uint8Array
}

const shape = /^petrel:\/\/([^#/?\s]+)\/?(?:\?kcp=(\d{1,5}))?#([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})$/

export function formatJoin({ server, kcpPort, token, pin }: Join): string {
  const kcp = kcpPort === undefined ? '' : `?kcp=${kcpPort}`
  return `petrel://${formatAddress(server)}${kcp}#${token}.${Buffer.from(pin).toString('base64url')}`
}

/** Throws config_invalid or token_invalid, naming neither the text nor a part of it, since it holds a secret. */
export function parseJoin(text: string): Join {
  const match = shape.exec(text.trim())
  const [, host = '', kcp, token = '', pin = ''] = match ?? []
  const kcpPort = kcp === undefined ? undefined : Number(kcp)
  if (match === null || kcpPort === 0 || (kcpPort ?? 0) > 65_535) {
    throw new PetrelError(
      'config_invalid',
      'config',
      'this is not a join string: it looks like petrel://host:port#token.pin, and `petrel server --print-join` shows it',
    )
  }
  checkToken(token)
  return {
    server: parseAddress(host, defaults.port),
    kcpPort,
    token,
    pin: new Uint8Array(Buffer.from(pin, 'base64url')),
  }
}
