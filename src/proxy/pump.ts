// The only place where bytes are moved: a TCP connection on one side, a stream of the link on the other. Half-close
// travels both ways; a side that breaks becomes a break on the other side and never a clean end.

import { setMaxListeners } from 'node:events'
import type { Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { StreamReset } from '../base/errors.js'
import type { Stream } from '../transport/transport.js'
import { watchIdle } from './idle.js'
import { abortSocket } from './socket.js'

export interface PumpOptions {
  /** The StreamReset code that tells of the socket's break: visitorGone or serviceGone. */
  readonly goneCode: number
  /** Ends both sides when nothing moved for so long. */
  readonly idleTimeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export interface PumpEnd {
  readonly how: 'clean' | 'socket_broke' | 'stream_broke' | 'idle' | 'aborted'
  readonly error?: Error
}

/** Moves bytes until both directions have ended, and then both sides are done with. Never rejects. The socket must
 *  have been made with allowHalfOpen, or it answers a FIN with its own and the other direction is lost; and hearResets
 *  must have been called on it before it read. */
export async function pump(socket: Socket, stream: Stream, options: PumpOptions): Promise<PumpEnd> {
  let ended: PumpEnd | undefined
  const breakBoth = (how: PumpEnd['how'], code: number, error?: Error): void => {
    if (ended !== undefined) return
    ended = error === undefined ? { how } : { how, error }
    abortSocket(socket)
    stream.reset(code)
  }

  // Two pipelines put a dozen listeners on each side, and one signal ends thousands of connections.
  setMaxListeners(0, socket, stream, ...(options.signal ? [options.signal] : []))
  // Before the pipelines put theirs: they answer an error with destroy(), which sends the other side a clean FIN.
  socket.on('error', (error) => breakBoth('socket_broke', options.goneCode, error))
  socket.on('close', () => isWhole(socket) || breakBoth('socket_broke', options.goneCode))
  stream.on('error', (error) => breakBoth('stream_broke', StreamReset.cancelled, error))
  stream.on('close', () => isWhole(stream) || breakBoth('stream_broke', StreamReset.cancelled))
  const onAbort = (): void => breakBoth('aborted', StreamReset.cancelled)
  options.signal?.addEventListener('abort', onAbort)
  if (options.signal?.aborted) onAbort()
  if (socket.destroyed && !isWhole(socket)) breakBoth('socket_broke', options.goneCode, socket.errored ?? undefined)
  if (stream.destroyed && !isWhole(stream)) {
    breakBoth('stream_broke', StreamReset.cancelled, stream.errored ?? undefined)
  }
  const unwatch = watchIdle(
    options.idleTimeoutMs,
    () => movedBytes(socket, stream),
    () => breakBoth('idle', StreamReset.idle),
  )

  const directions = await Promise.allSettled([pipeline(socket, stream), pipeline(stream, socket)])
  unwatch()
  options.signal?.removeEventListener('abort', onAbort)
  const failed = directions.find((direction) => direction.status === 'rejected')
  if (failed !== undefined) breakBoth('stream_broke', StreamReset.cancelled, failed.reason as Error)
  return ended ?? { how: 'clean' }
}

const isWhole = (side: Socket | Stream): boolean => side.readableEnded && side.writableFinished

/** Changes whenever a byte moves on either side: also when a slow peer takes one that was written long ago. */
const movedBytes = (socket: Socket, stream: Stream): number =>
  socket.bytesRead + 2 * socket.bytesWritten - socket.writableLength + stream.acknowledged
