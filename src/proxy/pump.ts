// The only place where bytes are moved: a TCP connection on one side, a stream of the link on the other. Half-close
// travels both ways; a side that breaks becomes a break on the other side and never a clean end.

import { Socket } from 'node:net'
import type { Ending } from '../base/ending.js'
import { StreamReset } from '../base/errors.js'
import type { Stream } from '../transport/transport.js'
import { enterCarried, leaveCarried } from './carried.js'
import { gatherWrites } from './gather.js'
import { watchIdle } from './idle.js'
import { abortSocket } from './socket.js'

export interface PumpOptions {
  /** The StreamReset code that tells of the socket's break: visitorGone or serviceGone. */
  readonly goneCode: number
  /** Ends both sides when nothing moved for so long. */
  readonly idleTimeoutMs: number
  readonly ending?: Ending | undefined
}

export interface PumpEnd {
  readonly how: 'clean' | 'socket_broke' | 'stream_broke' | 'idle' | 'aborted'
  readonly error?: Error
}

/** Moves bytes until both directions have ended, and then both sides are done with. Never rejects. The socket must
 *  have been made with allowHalfOpen, or it answers a FIN with its own and the other direction is lost; and hearResets
 *  must have been called on it before it read. Written out, because two pipelines take half of what a short connection
 *  costs: they make abort controllers, errors and two dozen listeners for each. */
export function pump(socket: Socket, stream: Stream, options: PumpOptions): Promise<PumpEnd> {
  return new Promise((resolve) => {
    let ended: PumpEnd | undefined
    let open = 2
    // destroy(error) alone would send the other side a clean FIN.
    const breakBoth = (how: PumpEnd['how'], code: number, error?: Error): void => {
      if (ended !== undefined) return
      ended = error === undefined ? { how } : { how, error }
      abortSocket(socket)
      stream.reset(code)
    }
    const breakSocket = (error?: Error): void => breakBoth('socket_broke', options.goneCode, error)
    const breakStream = (error?: Error): void => breakBoth('stream_broke', StreamReset.cancelled, error)
    const onEnding = (): void => breakBoth('aborted', StreamReset.cancelled)
    const unwatch = watchIdle(
      options.idleTimeoutMs,
      () => movedBytes(socket, stream),
      () => breakBoth('idle', StreamReset.idle),
    )
    const closed = (): void => {
      if (--open > 0) return
      unwatch()
      leaveCarried(socket)
      options.ending?.off(onEnding)
      resolve(ended ?? { how: 'clean' })
    }
    enterCarried(socket)
    options.ending?.on(onEnding)
    carry(socket, stream, breakSocket, closed)
    carry(stream, socket, breakStream, closed)
  })
}

/** One direction, and the whole life of its source: `broke` when that ended with anything missing, then `closed`. */
function carry(from: Socket | Stream, to: Socket | Stream, broke: (error?: Error) => void, closed: () => void): void {
  const onClose = (): void => {
    if (!isWhole(from)) broke(from.errored ?? undefined)
    closed()
  }
  if (from.closed) {
    onClose()
    return
  }
  from.on('error', broke)
  from.on('close', onClose)
  // The end of a short request comes with its header, so it may have been told before anybody listened here.
  if (from.readableEnded) to.end()
  else from.on('end', () => to.end())
  // A link gathers what its streams are given by itself.
  const write = to instanceof Socket ? gatherWrites(to) : (chunk: Buffer) => to.write(chunk)
  from.on('data', (chunk: Buffer) => {
    if (!write(chunk)) from.pause()
  })
  to.on('drain', () => from.resume())
  from.resume()
}

const isWhole = (side: Socket | Stream): boolean => side.readableEnded && side.writableFinished

/** Changes whenever a byte moves on either side: also when a slow peer takes one that was written long ago. */
const movedBytes = (socket: Socket, stream: Stream): number =>
  socket.bytesRead + 2 * socket.bytesWritten - socket.writableLength + stream.acknowledged
