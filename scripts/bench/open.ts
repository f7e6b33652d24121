// A visitor's connection that reads into one buffer, so that the garbage of a load generator is not what is measured.

import { connect, type Socket } from 'node:net'

/** Sees what came, valid until it returns. */
export type Take = (chunk: Uint8Array, length: number) => void

export function open(port: number, bufferBytes: number, take: Take, host = '127.0.0.1'): Socket {
  const callback = (length: number, chunk: Uint8Array) => {
    take(chunk, length)
    return true
  }
  const onread = { buffer: Buffer.allocUnsafe(bufferBytes), callback }
  return connect({ host, port, noDelay: true, allowHalfOpen: true, onread })
}
