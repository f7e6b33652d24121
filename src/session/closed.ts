// What the end of a link means to the client that dialled it.

import { pause } from '../base/deadline.js'
import { isPetrelError, LinkEnd, PetrelError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Link, LinkClosed } from '../transport/transport.js'

/** When the link ends under a wait, the link's own reason says more than the stream's error. */
export async function orWhyClosed<T>(link: Link, wait: Promise<T>): Promise<T> {
  try {
    return await wait
  } catch (error) {
    if (!isPetrelError(error, 'link_lost')) throw error
    const closed = await Promise.race([link.closed, pause(limits.control.lastWordMs)])
    throw closed && closed.by === 'peer' ? whyClosed(closed) : error
  }
}

/** The error that a link's end means to a client: some codes say that it must not come back. */
export function whyClosed({ by, code, reason }: LinkClosed): PetrelError {
  const because = reason === '' ? '' : `: ${reason}`
  if (by === 'peer' && code === LinkEnd.superseded) return superseded()
  if (by === 'peer' && code === LinkEnd.draining) return new PetrelError('draining', 'peer', 'the server went down')
  return new PetrelError('link_lost', by === 'us' ? 'us' : by, `the link ended${because}`)
}

export const superseded = () =>
  new PetrelError(
    'superseded',
    'peer',
    'the same client started again (here or elsewhere): this one stops; to run both, give one another --name (petrel tcp, udp) or a configuration file of its own',
  )
