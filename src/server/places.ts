// Who gets one of the server's places. One credential may come with as many install ids as it likes, so the places of
// the other allowed clients are kept for them. Pure.

import { PetrelError } from '../base/errors.js'

export interface Places {
  /** The most sessions at once. */
  readonly most: number
  /** How many clients the operator's list has. */
  readonly allowed: number
  /** The names of those that are here, once for each session. */
  readonly here: readonly string[]
}

/** undefined, or why this client gets no further place (limit_exceeded). Half of the places at most are kept: a list may
 *  be longer than the server is wide. */
export function noPlace(name: string, { most, allowed, here }: Places): PetrelError | undefined {
  if (here.length >= most) {
    return new PetrelError('limit_exceeded', 'us', `this server has ${most} clients, its most`)
  }
  const names = new Set(here)
  const kept = Math.min(Math.max(0, allowed - names.size), Math.floor(most / 2))
  if (!names.has(name) || here.length + kept < most) return undefined
  const times = here.filter((each) => each === name).length
  const text = `client ${name} is here ${times} times; the places left are kept for the other allowed clients`
  return new PetrelError('limit_exceeded', 'us', text)
}
