// Dialling over a native protocol: names become addresses here, everything on the wire is the engine's.

import { LinkEnd, PetrelError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { printable } from '../../base/printable.js'
import { formatAddress } from '../address.js'
import { dialAborted, otherKey } from '../errors.js'
import { systemRoots } from '../roots.js'
import type { Address, DialOptions, Link, Trust } from '../transport.js'
import { addonError } from './binding.js'
import { type Engine, type LinkSink, sharedEngine } from './engine.js'
import { addonLimits } from './limits.js'
import { NativeLink } from './link.js'
import type { Protocol } from './protocol.js'
import { resolve } from './resolve.js'

/** Tries the addresses of a name in turn. */
export async function dial(protocol: Protocol, address: Address, options: DialOptions): Promise<Link> {
  const engine = sharedEngine()
  const { signal } = options
  if (isAborted(signal)) throw dialAborted(address)
  const hosts = await resolve(address)
  if (isAborted(signal)) throw dialAborted(address)
  let failure: unknown
  for (const [index, host] of hosts.entries()) {
    const isLast = index === hosts.length - 1
    const timeoutMs = isLast ? protocol.path.profile.handshakeMs : limits.link.addressAttemptMs
    try {
      return await dialOne(engine, { protocol, address, host, options, timeoutMs })
    } catch (error) {
      failure = error
      const next = error instanceof PetrelError && (error.code === 'unreachable' || error.code === 'timeout')
      if (!next) throw error
    }
  }
  throw failure
}

interface Attempt {
  readonly protocol: Protocol
  readonly address: Address
  /** One of the address's. */
  readonly host: string
  readonly options: DialOptions
  readonly timeoutMs: number
}

function dialOne(engine: Engine, attempt: Attempt) {
  const { protocol, address, host, options, timeoutMs } = attempt
  const { signal, trust } = options
  return new Promise<Link>((resolve, reject) => {
    const id = begin(engine, attempt)
    engine.hold()
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      engine.letGo()
    }
    const fail = (error: PetrelError) => {
      done()
      engine.links.delete(id)
      engine.addon.closeLink(id, LinkEnd.normal, '')
      engine.addon.releaseLink(id)
      reject(error)
    }
    const onAbort = () => fail(dialAborted(address))
    const timer = setTimeout(() => fail(dialTimeout(attempt)), timeoutMs)
    signal?.addEventListener('abort', onAbort, { once: true })
    const sink: Partial<LinkSink> = {
      onConnected: () => {
        done()
        const remote = { host, port: address.port }
        const verified = trust.kind !== 'unverified'
        resolve(new NativeLink({ engine, id, role: 'dialer', protocol, remote, verified }))
      },
      onFailed: (code, reason) => fail(dialFailure(attempt, code, reason)),
      onClosed: (_code, _by, reason) => fail(dialFailure(attempt, failed.refused, reason)),
    }
    engine.links.set(id, sink as LinkSink)
  })
}

function begin(engine: Engine, { protocol, address, host, options }: Attempt): number {
  const name = options.serverName ?? address.host
  const most = addonLimits(options.limits ?? protocol.path.profile.link, protocol)
  try {
    return engine.addon.dial(protocol.name, host, address.port, name, trustOf(options.trust), options.credentials, most)
  } catch (error) {
    throw addonError(error, `cannot dial ${formatAddress(address)} over ${protocol.name}`)
  }
}

function trustOf(trust: Trust): { pin?: Uint8Array; roots?: string } {
  switch (trust.kind) {
    case 'pin':
      return { pin: trust.pin }
    case 'ca':
      return { roots: trust.certificates }
    case 'system':
      return { roots: systemRoots().join('\n') }
    case 'unverified':
      return {}
  }
}

/** Codes of the addon's event `failed`. */
const failed = { unreachable: 0, timeout: 1, untrusted: 2, refused: 3 }

function dialFailure(
  { protocol: { name }, address, options: { trust } }: Attempt,
  code: number,
  said: string,
): PetrelError {
  const where = formatAddress(address)
  const reason = printable(said)
  switch (code) {
    case failed.untrusted: {
      if (trust.kind === 'pin') return otherKey(address)
      const text = `the certificate of ${where} is not trusted (${reason}): give its pin, or the ca that signed it`
      return new PetrelError('certificate_untrusted', 'peer', text)
    }
    case failed.timeout:
      return new PetrelError('timeout', 'network', `${where} does not answer over ${name}: ${toCheck(name)}`)
    case failed.refused:
      return new PetrelError('unreachable', 'peer', `${where} refused the ${name} link: ${reason}`)
    default:
      return new PetrelError('unreachable', 'network', `cannot reach ${where} over ${name}: ${reason}${remedy(reason)}`)
  }
}

/** The engine says what is, not what to do. */
const remedy = (reason: string): string =>
  reason === 'nobody listens on that UDP port' ? ': check that the server runs, the port, and firewalls (UDP)' : ''

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true

const dialTimeout = ({ protocol, address }: Attempt) =>
  new PetrelError(
    'timeout',
    'network',
    `${formatAddress(address)} did not finish a handshake over ${protocol.name} in time: ${toCheck(protocol.name)}`,
  )

/** What to do about silence. */
const toCheck = (name: string): string =>
  `check address${name === 'kcp' ? ', kcp_port of both ends' : ''} and firewall (UDP)`
