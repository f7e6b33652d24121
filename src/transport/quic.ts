// QUIC, by the native addon: names become addresses here, everything on the wire is the engine's.

import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { LinkEnd, PetrelError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { printable } from '../base/printable.js'
import { formatAddress } from './address.js'
import { Backlog } from './backlog.js'
import { leafOf } from './certificate.js'
import { cannotListen, dialAborted, isListenCode, listenAborted, otherKey } from './errors.js'
import { addonError } from './native/binding.js'
import { type Engine, type LinkSink, sharedEngine } from './native/engine.js'
import { addonLimits, type SilenceTimes } from './native/limits.js'
import { NativeLink } from './native/link.js'
import { systemRoots } from './roots.js'
import type { Address, Credentials, DialOptions, Link, Listener, ListenOptions, Transport, Trust } from './transport.js'

export interface QuicOptions {
  /** When a silent peer is given up; limits.quic when left out. */
  readonly times?: SilenceTimes
}

/** Makes the `quic` transport. Without the addon, dial and listen reject with native_missing. */
export function quicTransport({ times = limits.quic }: QuicOptions = {}): Transport {
  return {
    name: 'quic',
    dial: (address, options) => dial(address, options, times),
    listen: (address, options) => QuicListener.start(address, options, times),
  }
}

// ---- dialling ----

async function dial(address: Address, options: DialOptions, times: SilenceTimes): Promise<Link> {
  const engine = sharedEngine()
  const { signal } = options
  if (isAborted(signal)) throw dialAborted(address)
  const hosts = await resolve(address)
  if (isAborted(signal)) throw dialAborted(address)
  let failure: unknown
  for (const [index, host] of hosts.entries()) {
    const isLast = index === hosts.length - 1
    const timeoutMs = isLast ? limits.link.handshakeMs : limits.link.addressAttemptMs
    try {
      return await dialOne(engine, { address, host, options, times, timeoutMs })
    } catch (error) {
      failure = error
      const next = error instanceof PetrelError && (error.code === 'unreachable' || error.code === 'timeout')
      if (!next) throw error
    }
  }
  throw failure
}

/** The addresses of a name, in the order to be tried. */
async function resolve(address: Address): Promise<string[]> {
  if (isIP(address.host) !== 0) return [address.host]
  try {
    return (await lookup(address.host, { all: true })).map((found) => found.address)
  } catch (cause) {
    const text = `cannot resolve ${address.host}: check its spelling and the DNS`
    throw new PetrelError('unreachable', 'network', text, { cause })
  }
}

interface Attempt {
  readonly address: Address
  /** One of the address's. */
  readonly host: string
  readonly options: DialOptions
  readonly times: SilenceTimes
  readonly timeoutMs: number
}

function dialOne(engine: Engine, attempt: Attempt) {
  const { address, host, options, timeoutMs } = attempt
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
    const timer = setTimeout(() => fail(dialTimeout(address)), timeoutMs)
    signal?.addEventListener('abort', onAbort, { once: true })
    const sink: Partial<LinkSink> = {
      onConnected: () => {
        done()
        const remote = { host, port: address.port }
        const verified = trust.kind !== 'unverified'
        resolve(new NativeLink({ engine, id, role: 'dialer', transport: 'quic', remote, verified }))
      },
      onFailed: (code, reason) => fail(dialFailure(attempt, code, reason)),
      onClosed: (_code, _by, reason) => fail(dialFailure(attempt, failed.refused, reason)),
    }
    engine.links.set(id, sink as LinkSink)
  })
}

function begin(engine: Engine, { address, host, options, times }: Attempt): number {
  const name = options.serverName ?? address.host
  const most = addonLimits(options.limits ?? limits.link.authenticated, times)
  try {
    return engine.addon.dial('quic', host, address.port, name, trustOf(options.trust), options.credentials, most)
  } catch (error) {
    throw addonError(error, `cannot dial ${formatAddress(address)} over quic`)
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

function dialFailure({ address, options: { trust } }: Attempt, code: number, said: string): PetrelError {
  const where = formatAddress(address)
  const reason = printable(said)
  switch (code) {
    case failed.untrusted: {
      if (trust.kind === 'pin') return otherKey(address)
      const text = `the certificate of ${where} is not trusted (${reason}): give its pin, or the ca that signed it`
      return new PetrelError('certificate_untrusted', 'peer', text)
    }
    case failed.timeout:
      return new PetrelError(
        'timeout',
        'network',
        `${where} does not answer over quic: check address and firewall (UDP)`,
      )
    case failed.refused:
      return new PetrelError('unreachable', 'peer', `${where} refused the quic link: ${reason}`)
    default:
      return new PetrelError('unreachable', 'network', `cannot reach ${where} over quic: ${reason}${remedy(reason)}`)
  }
}

/** The engine says what is, not what to do. */
const remedy = (reason: string): string =>
  reason === 'nobody listens on that UDP port' ? ': check that the server runs, and the port' : ''

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true

const dialTimeout = (address: Address) =>
  new PetrelError(
    'timeout',
    'network',
    `${formatAddress(address)} did not finish a QUIC handshake in time: check address and firewall (UDP)`,
  )

// ---- listening ----

class QuicListener implements Listener {
  readonly address: Address
  readonly #engine: Engine
  readonly #id: number
  readonly #links = new Backlog()
  #closed: Promise<void> | undefined
  #settleClosed = () => {}

  static async start(address: Address, options: ListenOptions, times: SilenceTimes): Promise<QuicListener> {
    const engine = sharedEngine()
    if (options.signal?.aborted === true) {
      throw listenAborted(address)
    }
    leafOf(options.credentials)
    const [host] = await resolve(address)
    try {
      const { id, port } = engine.addon.listen(
        'quic',
        host!,
        address.port,
        options.credentials,
        addonLimits(limits.link.stranger, times),
      )
      return new QuicListener(engine, id, { host: address.host, port })
    } catch (error) {
      const failure = addonError(error)
      throw isListenCode(failure.code) ? cannotListen(address, 'UDP', failure.code, failure) : failure
    }
  }

  private constructor(engine: Engine, id: number, address: Address) {
    this.#engine = engine
    this.#id = id
    this.address = address
    engine.listeners.set(id, {
      onLink: (link) => this.#onLink(link),
      onUnlistened: () => this.#unlistened(),
    })
    engine.hold()
  }

  [Symbol.asyncIterator](): AsyncIterator<Link> {
    return this.#links[Symbol.asyncIterator]()
  }

  renew(credentials: Credentials): void {
    leafOf(credentials)
    try {
      this.#engine.addon.renew(this.#id, credentials)
    } catch (error) {
      throw addonError(error, 'cannot take the new certificate')
    }
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#settleClosed = resolve
      this.#engine.addon.unlisten(this.#id)
      this.#links.end()
    })
    return this.#closed
  }

  #unlistened(): void {
    this.#engine.listeners.delete(this.#id)
    this.#engine.letGo()
    this.#settleClosed()
  }

  #onLink(id: number): void {
    const engine = this.#engine
    const remote = engine.addon.remote(id) ?? { host: '', port: 0 }
    const link = new NativeLink({ engine, id, role: 'listener', transport: 'quic', remote, verified: false })
    this.#links.add(link)
  }
}
