// Links inside one process, for tests of everything above: yamux over a pair of pipes, with certificates checked by
// pin or ca as the real transports do, and datagrams that a test may lose. Nothing is encrypted.

import { hkdfSync, randomBytes, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { PetrelError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { formatAddress } from './address.js'
import { Backlog } from './backlog.js'
import { credentialsPin, leafOf, samePin } from './certificate.js'
import { dialAborted } from './errors.js'
import { carrierPair } from './memory-carrier.js'
import { MemoryDatagrams } from './memory-datagrams.js'
import type { Address, Credentials, DialOptions, Link, Listener, ListenOptions, Transport } from './transport.js'
import type { KeepAliveTimes } from './yamux/keep-alive.js'
import { YamuxLink } from './yamux/link.js'

export interface MemoryOptions {
  readonly times?: KeepAliveTimes
  /** Called for each datagram; true loses it. */
  readonly lose?: () => boolean
  /** What lies between a dialler and this address, for tests of its failures. */
  readonly path?: (to: Address) => MemoryPath | undefined
}

export interface MemoryPath {
  /** While true, whatever passes is swallowed for good. */
  readonly dark: boolean
  /** Called once for each link, with what breaks it. */
  onLink(cut: () => void): void
}

/** Every memory listener of this process, by "host:port". */
const listeners = new Map<string, MemoryListener>()
let nextPort = 1

/** Makes the `memory` transport. All instances share one space of addresses. */
export function memoryTransport(options: MemoryOptions = {}): Transport {
  return {
    name: 'memory',
    dial: (address, dial) => dialMemory(address, dial, options),
    listen: async (address, listen) => MemoryListener.start(address, listen),
  }
}

async function dialMemory(address: Address, options: DialOptions, more: MemoryOptions): Promise<Link> {
  const where = formatAddress(address)
  if (options.signal?.aborted === true) {
    throw dialAborted(address)
  }
  const listener = listeners.get(where)
  if (listener === undefined) {
    throw new PetrelError('unreachable', 'network', `nothing in this process listens on memory address ${where}`)
  }
  const shown = listener.credentials
  check(shown, options, where)
  const path = more.path?.(address)
  const [here, there] = carrierPair(() => path?.dark === true)
  path?.onLink(() => here.destroy(new Error('the path was cut')))
  const secret = randomBytes(32)
  const exportKey = (label: string, context: Uint8Array, bytes: number) =>
    new Uint8Array(hkdfSync('sha256', secret, label, context, bytes))
  const mine = new MemoryDatagrams(options.limits?.datagramBytes ?? limits.link.authenticated.datagramBytes, more.lose)
  const theirs = new MemoryDatagrams(limits.link.stranger.datagramBytes, more.lose)
  mine.peer = theirs
  theirs.peer = mine
  const times = more.times === undefined ? {} : { times: more.times }
  const pin = options.credentials === undefined ? undefined : credentialsPin(options.credentials)
  const far = new YamuxLink({
    ...times,
    carrier: there,
    role: 'listener',
    transport: 'memory',
    remote: { host: 'memory', port: 0 },
    peer: { verified: pin !== undefined, pin },
    limits: limits.link.stranger,
    stranger: true,
    datagrams: theirs,
    exportKey,
    raised: (to) => theirs.raise(to.datagramBytes),
  })
  void far.closed.then(() => theirs.end())
  const near = new YamuxLink({
    ...times,
    carrier: here,
    role: 'dialer',
    transport: 'memory',
    remote: address,
    peer: { verified: options.trust.kind !== 'unverified', pin: credentialsPin(shown) },
    limits: options.limits ?? limits.link.authenticated,
    stranger: false,
    datagrams: mine,
    exportKey,
    raised: (to) => mine.raise(to.datagramBytes),
  })
  void near.closed.then(() => mine.end())
  listener.offer(far)
  return near
}

/** What TLS would check. Throws certificate_untrusted. */
function check(shown: Credentials, { trust, serverName }: DialOptions, where: string): void {
  if (trust.kind === 'unverified') return
  const leaf = leafOf(shown)
  if (trust.kind === 'pin' && samePin(credentialsPin(shown), trust.pin)) return
  if (trust.kind === 'ca') {
    const authority = new X509Certificate(trust.certificates)
    const host = serverName ?? where.slice(0, where.lastIndexOf(':'))
    const now = Date.now()
    const current = Date.parse(leaf.validFrom) <= now && now <= Date.parse(leaf.validTo)
    const named = (isIP(host) === 0 ? leaf.checkHost(host) : leaf.checkIP(host)) !== undefined
    if (current && named && leaf.checkIssued(authority) && leaf.verify(authority.publicKey)) return
  }
  throw new PetrelError('certificate_untrusted', 'peer', `the certificate of ${where} is not trusted (${trust.kind})`)
}

class MemoryListener implements Listener {
  readonly address: Address
  credentials: Credentials
  readonly #links = new Backlog()

  static start(asked: Address, options: ListenOptions): MemoryListener {
    leafOf(options.credentials)
    const address = asked.port === 0 ? { host: asked.host, port: nextPort++ } : asked
    const key = formatAddress(address)
    if (listeners.has(key)) {
      throw new PetrelError('address_in_use', 'config', `memory address ${key} is in use: choose another port`)
    }
    const listener = new MemoryListener(address, options.credentials)
    listeners.set(key, listener)
    return listener
  }

  private constructor(address: Address, credentials: Credentials) {
    this.address = address
    this.credentials = credentials
  }

  [Symbol.asyncIterator](): AsyncIterator<Link> {
    return this.#links[Symbol.asyncIterator]()
  }

  renew(credentials: Credentials): void {
    leafOf(credentials)
    this.credentials = credentials
  }

  offer(link: Link): void {
    this.#links.add(link)
  }

  close(): Promise<void> {
    listeners.delete(formatAddress(this.address))
    this.#links.end()
    return Promise.resolve()
  }
}
