// Writes to a TCP connection in few system calls. A link's bytes come in pieces of a TLS record, 16 KiB; one call for
// each costs this process the call and the other side a wake-up and a read for each.

import type { Writable } from 'node:stream'
import { limits } from '../base/limits.js'

const { gatherPieceBytes, gatherBytes } = limits.proxy

/** Returns what to call in place of socket.write(). Small pieces, which somebody may be waiting for, are not held up. */
export function gatherWrites(socket: Writable): (chunk: Uint8Array) => boolean {
  let isDue = false
  let bytes = 0
  const flush = (): void => {
    bytes = 0
    // Without a cork (end() takes it off as well) this does nothing.
    socket.uncork()
  }
  const endOfTurn = (): void => {
    isDue = false
    flush()
  }
  return (chunk) => {
    if (bytes === 0 && (chunk.length < gatherPieceBytes || chunk.length >= gatherBytes)) return socket.write(chunk)
    if (bytes === 0) socket.cork()
    if (!isDue) setImmediate(endOfTurn)
    isDue = true
    bytes += chunk.length
    const wantsMore = socket.write(chunk)
    if (bytes >= gatherBytes) flush()
    return wantsMore
  }
}
