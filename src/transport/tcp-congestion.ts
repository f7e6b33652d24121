// The congestion control of a TLS link's socket. Linux's default, CUBIC, takes each lost packet for a queue that ran
// over: at 5 % loss and 50 ms it moves 1 Mbit/s of 100. BBR goes by delivery rate. Node cannot set it; the addon can.

import type { TLSSocket } from 'node:tls'
import { type Addon, loadAddon } from './native/binding.js'

/** What node:net keeps to itself: the descriptor of a connected socket, -1 without one. */
interface WithDescriptor {
  readonly _handle?: { readonly fd?: number } | null
}

/** Asks for BBR on this side's half. Returns what is in force then; undefined where nobody can tell. Never throws. */
export function useBbr(socket: TLSSocket): string | undefined {
  const fd = (socket as unknown as WithDescriptor)._handle?.fd ?? -1
  return fd < 0 ? undefined : (addonIfThere()?.useTcpCongestion(fd, 'bbr') ?? undefined)
}

/** tls needs no addon: without one the system's default stays. */
function addonIfThere(): Addon | undefined {
  try {
    return loadAddon()
  } catch {
    return undefined
  }
}
