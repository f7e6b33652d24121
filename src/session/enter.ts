// One try at a server: one transport, one address, up to the point where both ends have proved themselves.

import { within } from '../base/deadline.js'
import { LinkEnd } from '../base/errors.js'
import { limits, type Profile, profiles } from '../base/limits.js'
import type { ControlChannel } from '../control/channel.js'
import { greet, type Introduction } from '../control/handshake.js'
import type { Address, Credentials, Link, Transport, Trust } from '../transport/transport.js'
import { orWhyClosed } from './closed.js'

/** Whom a client calls, and as whom. */
export interface Call extends Omit<Introduction, 'dialId'> {
  readonly server: Address
  /** The name to be verified; else the server's host. */
  readonly serverName?: string
  readonly trust: Trust
  /** For mTLS. */
  readonly certificate?: Credentials
  /** What the server may use once it has proved itself, and how long that may take; `default` when left out. */
  readonly profile?: Profile
}

/** A link on which both ends have proved themselves; whoever has it closes it. */
export interface Entered {
  readonly link: Link
  readonly channel: ControlChannel
}

export interface Door {
  readonly call: Call
  readonly transport: Transport
  /** One of the server's. */
  readonly address: Address
  /** The same for all links of one race. */
  readonly dialId: Uint8Array
  /** Called with a link that is closed because it led to nothing. */
  onLeft(closing: Promise<void>): void
}

/** Errors: those of Transport.dial and of greet; aborted. A link that was made in vain is closed meanwhile. */
export async function enter(door: Door, signal: AbortSignal): Promise<Entered> {
  const { call, transport, address, dialId } = door
  const { trust, certificate, serverName, profile = profiles.default } = call
  const link = await transport.dial(address, {
    trust,
    signal,
    ...(serverName === undefined ? {} : { serverName }),
    ...(certificate === undefined ? {} : { credentials: certificate }),
    limits: trust.kind === 'unverified' ? limits.link.stranger : profile.link,
  })
  try {
    const greeting = within(greet(link, { ...call, dialId }), profile.handshakeMs, 'handshake', signal)
    const { channel } = await orWhyClosed(link, greeting)
    return { link, channel }
  } catch (error) {
    door.onLeft(leave(link))
    throw error
  }
}

/** Closes a link that is not wanted; the server takes this end for no fault. */
export const leave = (link: Link): Promise<void> => link.close({ code: LinkEnd.normal, reason: 'giving up' })
