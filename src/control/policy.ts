// Who may come and what it may open: pure decisions over the operator's list. Deny by default.

import { createHash } from 'node:crypto'
import { isIP, isIPv4 } from 'node:net'
import { PetrelError } from '../base/errors.js'
import { checkToken, tokenId } from '../base/token.js'
import type { Hello, Register } from '../wire/messages.js'

/** A client that may come, and what it may open. Exactly one of token and certificatePin is set. */
export interface AllowedClient {
  /** Shown in logs and status; unique. */
  readonly name: string
  /** In the format of `petrel token`. Several installs may share one; each is an identity of its own. */
  readonly token?: string
  /** SHA-256 (32 bytes) of the SPKI of the client's certificate (mTLS). */
  readonly certificatePin?: Uint8Array
  /** Public ports that it may ask for; left out: the server's port range. Below 1024 only when listed here. */
  readonly allowedPorts?: readonly PortRange[]
}

/** Both ends included. */
export interface PortRange {
  readonly start: number
  readonly end: number
}

/** The operator's list, found by what a client shows. Throws config_invalid, token_invalid. */
export class Directory {
  readonly #byCredential = new Map<string, AllowedClient>()
  readonly #byName = new Map<string, AllowedClient>()

  constructor(clients: readonly AllowedClient[]) {
    for (const client of clients) {
      const key = credentialKey(client)
      if (this.#byCredential.has(key)) throw invalid(`client ${client.name} has the credential of another client`)
      if (this.#byName.has(client.name)) throw invalid(`there are two clients with the name ${client.name}`)
      this.#byCredential.set(key, client)
      this.#byName.set(client.name, client)
    }
  }

  get size(): number {
    return this.#byName.size
  }

  byTokenId(id: Uint8Array): AllowedClient | undefined {
    return this.#byCredential.get(`token ${Buffer.from(id).toString('hex')}`)
  }

  byPin(pin: Uint8Array): AllowedClient | undefined {
    return this.#byCredential.get(`pin ${Buffer.from(pin).toString('hex')}`)
  }

  /** The entry that this one has become after a reload: same name, same credential. */
  successor(client: AllowedClient): AllowedClient | undefined {
    const now = this.#byName.get(client.name)
    return now && credentialKey(now) === credentialKey(client) ? now : undefined
  }
}

/** Who a client is: its credential and its installation. Hex. */
export const identityOf = (client: AllowedClient, hello: Hello): string =>
  createHash('sha256').update(credentialKey(client)).update(hello.clientId).digest('hex')

/** What an operator allows for public sides, beside each client's own ports. */
export interface PortPolicy {
  readonly ports: PortRange
  readonly proxyBindAddress: string
}

/** undefined, or why this client may not open this proxy (port_refused). remotePort 0 passes: see portsFor. */
export function refusal(client: AllowedClient, register: Register, policy: PortPolicy): PetrelError | undefined {
  const { remotePort, options } = register
  const address = options.bindAddress
  if (address !== undefined && !mayBind(address, policy.proxyBindAddress)) {
    return refused(
      `address ${address.slice(0, 64)} is not allowed: this server opens ports on ${policy.proxyBindAddress}`,
    )
  }
  const ranges = portsFor(client, policy)
  if (remotePort === 0 || isWithin(ranges, remotePort)) return undefined
  const allowed = ranges.map(({ start, end }) => (start === end ? `${start}` : `${start}-${end}`)).join(', ')
  return refused(
    `port ${remotePort} is not in the allowed ranges ${allowed} (server config: ${client.allowedPorts ? 'allowed_ports' : 'port_range_start, port_range_end'})`,
  )
}

export const isWithin = (ranges: readonly PortRange[], port: number): boolean =>
  ranges.some(({ start, end }) => port >= start && port <= end)

/** Where a client's ports may lie. */
export const portsFor = (client: AllowedClient, policy: PortPolicy): readonly PortRange[] =>
  client.allowedPorts ?? [{ start: Math.max(policy.ports.start, 1024), end: policy.ports.end }]

/** A client may narrow the operator's side (to loopback, or to one address of a wildcard), never widen it. A name is
 *  nobody's to ask for: the server would look it up. */
function mayBind(address: string, operators: string): boolean {
  if (isIP(address) === 0) return false
  const loopback = address === '::1' || /^127\.\d+\.\d+\.\d+$/.test(address)
  return address === operators || loopback || operators === '::' || (operators === '0.0.0.0' && isIPv4(address))
}

function credentialKey({ name, token, certificatePin }: AllowedClient): string {
  if ((token === undefined) === (certificatePin === undefined)) {
    throw invalid(`client ${name} needs a token or a certificate pin, and not both`)
  }
  if (token !== undefined) {
    checkToken(token)
    return `token ${tokenId(token).toString('hex')}`
  }
  return `pin ${Buffer.from(certificatePin ?? []).toString('hex')}`
}

const invalid = (message: string) => new PetrelError('config_invalid', 'config', message)
const refused = (message: string) => new PetrelError('port_refused', 'peer', message)
