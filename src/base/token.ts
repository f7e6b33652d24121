// The one format of a token: "ptl_" and 48 characters of base64url: 32 random bytes, then the first 4 of
// SHA-256("petrel token" | random). Nobody's word of choice passes, so a captured proof cannot be searched offline,
// and a slip of the keyboard is told apart from a wrong token before anything is dialled.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { PetrelError } from './errors.js'

const prefix = 'ptl_'

export function makeToken(): string {
  const random = randomBytes(32)
  return prefix + Buffer.concat([random, checksum(random)]).toString('base64url')
}

/** Throws token_invalid, naming neither the text nor a part of it. */
export function checkToken(text: string): void {
  const bytes = Buffer.from(text.slice(prefix.length), 'base64url')
  const canonical = prefix + bytes.toString('base64url') === text
  if (canonical && bytes.length === 36 && timingSafeEqual(bytes.subarray(32), checksum(bytes.subarray(0, 32)))) return
  throw new PetrelError('token_invalid', 'config', 'this is not a token of petrel: make one with `petrel token`')
}

/** Tells which token a proof is for without telling the token: 8 bytes of SHA-256("petrel token id" | token). */
export function tokenId(token: string): Buffer {
  return createHash('sha256').update('petrel token id').update(token).digest().subarray(0, 8)
}

const checksum = (random: Uint8Array): Buffer =>
  createHash('sha256').update('petrel token').update(random).digest().subarray(0, 4)
