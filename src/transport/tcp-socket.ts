// What node:net neither sets nor asks of a TCP socket; the addon does. Without it, or where the system does not tell,
// the answer is undefined.

import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { getSystemErrorName } from 'node:util'
import { type Addon, loadAddon } from './native/binding.js'

/** What was in force when BBR could not be had. Asked once: a stranger begins a handshake as often as he likes, and for
 *  root the system looks for the module each time. */
let inItsPlace: { readonly name: string | undefined } | undefined

/** Asks for BBR on this side's half of a TLS link's socket. Linux's default, CUBIC, takes each lost packet for a queue
 *  that ran over: at 5 % loss and 50 ms it moves 1 Mbit/s of 100. BBR goes by delivery rate. Returns what is in force
 *  then. Never throws. */
export function useBbr(socket: TLSSocket): string | undefined {
  if (inItsPlace !== undefined) return inItsPlace.name
  const fd = descriptorOf(socket)
  if (fd < 0) return undefined
  const name = addonIfThere()?.useTcpCongestion(fd, 'bbr') ?? undefined
  if (name !== 'bbr') inItsPlace = { name }
  return name
}

/** What tells why the next read of a socket would be no clean end, and never throws. */
export function readErrors(): ((socket: Socket) => NodeJS.ErrnoException | undefined) | undefined {
  const addon = addonIfThere()
  if (addon === undefined) return undefined
  return (socket) => {
    const number = addon.readError(descriptorOf(socket)) ?? 0
    if (number === 0) return undefined
    // Bytes that can no longer be read are lost like those that a reset throws away.
    const code = number < 0 ? 'ECONNRESET' : getSystemErrorName(-number)
    return Object.assign(new Error(`read ${code}`), { code, syscall: 'read' })
  }
}

/** What node:net keeps to itself: the descriptor of a connected socket, -1 without one. */
const descriptorOf = (socket: Socket): number =>
  (socket as unknown as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1

function addonIfThere(): Addon | undefined {
  try {
    return loadAddon()
  } catch {
    return undefined
  }
}
