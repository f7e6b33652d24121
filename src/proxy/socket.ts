// Two things that net.Socket gets wrong for a relay: how to end a connection with RST, and how to see one.

import { Socket } from 'node:net'
import { readErrors } from '../transport/tcp-socket.js'

/** Ends a connection with RST, so that its peer sees an error. A no-op on a destroyed socket. */
export function abortSocket(socket: Socket): void {
  if (socket.destroyed) return
  // libuv refuses RST (EINVAL) and leaks the descriptor while a FIN is on its way down; by then every byte was sent.
  const isFinishing = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0
  if (isFinishing || socket.connecting) socket.destroy()
  else socket.resetAndDestroy()
}

/** Makes a RST that comes together with data an error. libuv before 1.52 reports it as a clean end, since a partial read
 *  with POLLHUP counts as one (uv__stream_io; pull request 4997). With the addon each end is checked. To be called before
 *  the first read. */
export function hearResets(socket: Socket): void {
  if (!losesResets) return
  if (readError === undefined) readError = readErrors() ?? null
  if (readError !== null) {
    socket.push = pushTrueEnd
  } else {
    socket.push = pushOne
    socket._read = readInNextTurn
  }
}

const [uvMajor = 0, uvMinor = 0] = process.versions.uv.split('.').map(Number)
const losesResets = uvMajor === 1 && uvMinor < 52

/** null: nobody can tell. undefined: not known yet. */
let readError: ReturnType<typeof readErrors> | null

function pushTrueEnd(this: Socket, chunk: Buffer | null, encoding?: BufferEncoding): boolean {
  const error = chunk === null ? readError?.(this) : undefined
  if (error === undefined) return Socket.prototype.push.call(this, chunk, encoding)
  this.destroy(error)
  return false
}

// Without the addon: where reading stops within the read callback and begins in a later turn of the loop, read() says
// ECONNRESET itself. So after a read that did not fill the buffer, reading waits for a turn: 5 us.

function pushOne(this: Socket, chunk: Buffer | null, encoding?: BufferEncoding): boolean {
  const wantsMore = Socket.prototype.push.call(this, chunk, encoding)
  return wantsMore && (chunk === null || chunk.length === readBufferBytes)
}

function readInNextTurn(this: Socket, size: number): void {
  setImmediate(readOn, this, size)
}

/** What Node allocates for one read of a socket (suggested by libuv). */
const readBufferBytes = 65536

function readOn(socket: Socket, size: number): void {
  if (!socket.destroyed) Socket.prototype._read.call(socket, size)
}
