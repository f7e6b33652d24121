// What happens to carried connections when this process ends without closing them: process.exit, a second signal, an
// uncaught exception. The system would say FIN for it, and a download cut in half would look whole.

import type { Socket } from 'node:net'
import { abortSocket } from './socket.js'

const carried = new Set<Socket>()
let isWatching = false

/** From now on the process's exit resets this connection. Take it back with `forgetAtExit`. */
export function abortAtExit(socket: Socket): void {
  carried.add(socket)
  if (isWatching) return
  isWatching = true
  // Closing with RST is two system calls that do not wait, so an 'exit' handler can still make them.
  process.on('exit', () => {
    for (const each of carried) abortSocket(each)
  })
}

export function forgetAtExit(socket: Socket): void {
  carried.delete(socket)
}
