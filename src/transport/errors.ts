// What every transport says in the same words.

import { PetrelError } from '../base/errors.js'
import { formatAddress } from './address.js'
import type { Address } from './transport.js'

export const dialAborted = (address: Address): PetrelError =>
  new PetrelError('aborted', 'us', `dialling ${formatAddress(address)} was given up by the caller`)

export const listenAborted = (address: Address): PetrelError =>
  new PetrelError('aborted', 'us', `listening on ${formatAddress(address)} was given up by the caller`)

export const openAborted = (): PetrelError =>
  new PetrelError('aborted', 'us', 'opening a stream was given up by the caller')

export const noMoreKeys = (): PetrelError =>
  new PetrelError('closed', 'us', 'the link has ended, it exports no more keys')

/** code: what the peer gave as its reason, a number of StreamReset. */
export const resetByPeer = (code: number): PetrelError =>
  new PetrelError('stream_reset', 'peer', `the peer reset the stream (code ${code})`, { resetCode: code })
