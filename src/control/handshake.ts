// The first round trip on a link: the client's hello and the server's answer (PROTOCOL.md, "Handshake").
// Deadlines are the caller's.

import { randomBytes } from 'node:crypto'
import { PetrelError } from '../base/errors.js'
import { tokenId } from '../base/token.js'
import type { Link, Stream } from '../transport/transport.js'
import type { Hello, Register } from '../wire/messages.js'
import { isSameProof, prove } from './auth.js'
import { ControlChannel } from './channel.js'
import { type AllowedClient, type Directory, identityOf } from './policy.js'

/** What a client shows: exactly one of the two. With `certificate` the link was dialled with credentials. */
export type Credential = { readonly token: string } | { readonly certificate: true }

/** As whom a client comes, and what it wants opened. */
export interface Introduction {
  readonly credential: Credential
  /** 16 bytes, made once by an installation. */
  readonly clientId: Uint8Array
  /** 16 random bytes, the same on all links of one dial: the server admits one of them. */
  readonly dialId: Uint8Array
  readonly registers: readonly Register[]
}

export interface Greeted {
  readonly channel: ControlChannel
  readonly clientName: string
}

/**
 * The client's half. With a verified server, hello and all registrations leave together; without, they wait for the
 * server's own proof, and a credential that proves nothing of the server is not shown at all.
 * Errors: auth_failed, certificate_untrusted, limit_exceeded, dial_taken, draining, link_lost, protocol_violation.
 */
export async function greet(link: Link, { credential, clientId, dialId, registers }: Introduction): Promise<Greeted> {
  const isToken = 'token' in credential
  if (!isToken && !link.peer.verified) {
    const message = 'a client certificate proves nothing of the server: give server_pin or ca_file'
    throw new PetrelError('certificate_untrusted', 'config', message)
  }
  const channel = new ControlChannel(await link.open(), 'dialer')
  const ids = { clientId, dialId }
  const token = isToken
    ? { id: tokenId(credential.token), proof: prove(link, credential.token, 'client', ids) }
    : undefined
  channel.sendHello({ ...ids, token })
  if (link.peer.verified) for (const register of registers) channel.send(register)

  const answer = await channel.receive()
  if (answer.type === 'refused') throw new PetrelError(answer.code, 'peer', `the server refuses: ${answer.text}`)
  if (answer.type !== 'accepted') throw new PetrelError('protocol_violation', 'peer', `${answer.type} before accepted`)
  if (isToken && !isSameProof(answer.proof, prove(link, credential.token, 'server', ids))) {
    throw new PetrelError('auth_failed', 'peer', 'the server does not know the token: this may not be your server')
  }
  if (!link.peer.verified) for (const register of registers) channel.send(register)
  return { channel, clientName: answer.clientName }
}

/** Who came: found in the directory, and its proof holds. Nothing has been answered yet. */
export interface Newcomer {
  readonly channel: ControlChannel
  readonly client: AllowedClient
  readonly identity: string
  readonly hello: Hello
}

/** The server's half, up to the answer. Rejects with auth_failed or protocol_violation; the caller says no. */
export async function receiveHello(link: Link, channel: ControlChannel, directory: Directory): Promise<Newcomer> {
  const hello = await channel.hello()
  const client = authenticated(link, hello, directory)
  if (!client) throw new PetrelError('auth_failed', 'peer', 'no such token or certificate here')
  return { channel, client, hello, identity: identityOf(client, hello) }
}

export function accept(link: Link, { channel, client, hello }: Newcomer): void {
  const proof = client.token === undefined ? new Uint8Array(0) : prove(link, client.token, 'server', hello)
  channel.send({ type: 'accepted', sessionId: randomBytes(16), proof, clientName: client.name })
}

function authenticated(link: Link, hello: Hello, directory: Directory): AllowedClient | undefined {
  if (!hello.token) return link.peer.pin && directory.byPin(link.peer.pin)
  const client = directory.byTokenId(hello.token.id)
  if (client?.token === undefined) return undefined
  return isSameProof(hello.token.proof, prove(link, client.token, 'client', hello)) ? client : undefined
}

/** The control stream is the first that the dialler opens. Rejects with link_lost when the link ends before. */
export async function controlStream(streams: AsyncIterator<Stream>): Promise<ControlChannel> {
  const { value, done } = await streams.next()
  if (done) throw new PetrelError('link_lost', 'peer', 'the link ended before its control stream')
  return new ControlChannel(value, 'listener')
}
