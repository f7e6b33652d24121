// The congestion control of a TLS link's socket. Linux's default, CUBIC, takes each lost packet for a queue that ran
// over: at 5 % loss and 50 ms it moves 1 Mbit/s of 100. BBR goes by delivery rate. Node cannot set it; the addon can.

import type { TLSSocket } from 'node:tls'
import { type Addon, loadAddon } from './native/binding.js'

/** What node:net keeps to itself: the descriptor of a connected socket, -1 without one. */
interface WithDescriptor {
  readonly _handle?: { readonly fd?: number } | null
}

/** What was in force when BBR could not be had. Asked once: a stranger begins a handshake as often as he likes, and for
 *  root the system looks for the module each time. */
let inItsPlace: { readonly name: string | undefined } | undefined

/** Asks for BBR on this side's half. Returns what is in force then; undefined where nobody can tell. Never throws. */
export function useBbr(socket: TLSSocket): string | undefined {
  if (inItsPlace !== undefined) return inItsPlace.name
  const fd = (socket as unknown as WithDescriptor)._handle?.fd ?? -1
  if (fd < 0) return undefined
  const name = addonIfThere()?.useTcpCongestion(fd, 'bbr') ?? undefined
  if (name !== 'bbr') inItsPlace = { name }
  return name
}

/** tls needs no addon: without one the system's default stays. */
function addonIfThere(): Addon | undefined {
  try {
    return loadAddon()
  } catch {
    return undefined
  }
}
