// What both UDP halves do to their sockets: ask for buffers, send without a queue that grows.

import { createSocket, type Socket, type SocketType } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { limits } from '../base/limits.js'

/** Addresses are never names here, and Node would look each one up again for each payload, a turn later. */
export function udpSocket(type: SocketType): Socket {
  return createSocket({ type, lookup: (host, _options, done) => done(null, host, isIPv6(host) ? 6 : 4) })
}

/** After bind or connect. The system may give less than asked; how much is for it to say. */
export function askBuffers(socket: Socket, bytes: number): void {
  try {
    socket.setRecvBufferSize(bytes)
    socket.setSendBufferSize(bytes)
  } catch {
    // Some systems refuse what is above their bound instead of giving the bound; the default serves as well.
  }
}

/** Whether the system takes payloads as fast as they come; else one more would only grow the process. */
export const canSend = (socket: Socket): boolean => socket.getSendQueueSize() < limits.proxy.udpSendQueueBytes
