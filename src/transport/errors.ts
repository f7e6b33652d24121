// What every transport says in the same words.

import { type ErrorCode, PetrelError } from '../base/errors.js'
import { formatAddress } from './address.js'
import type { Address } from './transport.js'

export const dialAborted = (address: Address): PetrelError =>
  new PetrelError('aborted', 'us', `dialling ${formatAddress(address)} was given up by the caller`)

export const listenAborted = (address: Address): PetrelError =>
  new PetrelError('aborted', 'us', `listening on ${formatAddress(address)} was given up by the caller`)

export type ListenCode = 'address_in_use' | 'port_refused' | 'unreachable'

export const isListenCode = (code: ErrorCode): code is ListenCode =>
  code === 'address_in_use' || code === 'port_refused' || code === 'unreachable'

/** The system does not let us listen. cause: its own error, which is shown when it alone knows. */
export function cannotListen(address: Address, over: 'TCP' | 'UDP', code: ListenCode, cause: Error): PetrelError {
  const why = {
    address_in_use: 'another program holds this port: stop it or choose another',
    port_refused: 'the system does not allow it: choose a port above 1023 or grant the right',
    unreachable: `${cause.message}; is it an address of this machine?`,
  }[code]
  const text = `cannot listen on ${formatAddress(address)} (${over}): ${why}`
  return new PetrelError(code, 'config', text, { cause })
}

export const openAborted = (): PetrelError =>
  new PetrelError('aborted', 'us', 'opening a stream was given up by the caller')

export const noMoreKeys = (): PetrelError =>
  new PetrelError('closed', 'us', 'the link has ended, it exports no more keys')

/** code: what the peer gave as its reason, a number of StreamReset. */
export const resetByPeer = (code: number): PetrelError =>
  new PetrelError('stream_reset', 'peer', `the peer reset the stream (code ${code})`, { resetCode: code })

/** The peer's certificate is another than the pin's. */
export const otherKey = (address: Address): PetrelError => {
  const where = formatAddress(address)
  const text = `${where} shows another key than the pin names: join it again if its key was renewed, else do not trust it`
  return new PetrelError('certificate_untrusted', 'peer', text)
}
