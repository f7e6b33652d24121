// Writes a given number of bytes to a socket as fast as it takes them.

import type { Socket } from 'node:net'
import { piece } from './exchange.js'

/** Keeps the socket full until all is handed over; bytes: 1 or more. */
export function send(socket: Socket, bytes: number): void {
  let sent = 0
  const more = () => {
    let room = true
    while (room && sent < bytes) {
      const chunk = piece(sent, bytes - sent)
      sent += chunk.length
      room = socket.write(chunk)
    }
    if (sent < bytes) socket.once('drain', more)
  }
  more()
}
