// What carried connections need beside their pump: probes that find a peer that has vanished, and RST when this process
// ends without closing them (process.exit, a second signal, an uncaught exception): the system would say FIN for it, and
// a download cut in half would look whole.

import type { Socket } from 'node:net'
import { limits } from '../base/limits.js'
import { abortSocket } from './socket.js'

const carried = new Set<Socket>()
let sweep: NodeJS.Timeout | undefined
let isWatchingExit = false

/** To be taken back with `leaveCarried`. */
export function enterCarried(socket: Socket): void {
  carried.add(socket)
  // Probing is four system calls to set up, a twentieth of what a short connection costs: only for those that last.
  sweep ??= setInterval(probeAll, limits.proxy.keepAliveMs).unref()
  if (isWatchingExit) return
  isWatchingExit = true
  // Closing with RST is two system calls that do not wait, so an 'exit' handler can still make them.
  process.on('exit', () => {
    for (const each of carried) abortSocket(each)
  })
}

export function leaveCarried(socket: Socket): void {
  carried.delete(socket)
  if (carried.size > 0) return
  clearInterval(sweep)
  sweep = undefined
}

/** Once set, it costs no further call. */
function probeAll(): void {
  for (const each of carried) each.setKeepAlive(true, limits.proxy.keepAliveMs)
}
