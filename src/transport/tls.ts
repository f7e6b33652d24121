// The transport that works everywhere: TLS 1.3 on TCP with yamux inside. node:tls does the handshake, proves who owns
// a certificate and exports keys; link.ts does the rest.

import { createServer, isIP, type Server, type Socket } from 'node:net'
import * as tls from 'node:tls'
import { Admission } from '../base/admission.js'
import { PetrelError } from '../base/errors.js'
import { plainAddress } from '../base/ip.js'
import { limits } from '../base/limits.js'
import { spkiPin } from '../base/pin.js'
import { formatAddress } from './address.js'
import { Backlog } from './backlog.js'
import { leafOf, samePin } from './certificate.js'
import { dialAborted, listenAborted, noMoreKeys, otherKey } from './errors.js'
import { systemRoots } from './roots.js'
import { useBbr } from './tcp-socket.js'
import { dialFailure, listenFailure } from './tls-errors.js'
import type {
  Address,
  Credentials,
  DialOptions,
  Link,
  Listener,
  ListenOptions,
  PathSettings,
  Peer,
  Transport,
} from './transport.js'
import type { KeepAliveTimes } from './yamux/keep-alive.js'
import { YamuxLink } from './yamux/link.js'

const alpn = 'petrel/1'

export interface TlsOptions {
  /** When a silent peer is given up; limits.yamux when left out. */
  readonly times?: KeepAliveTimes
  /** Of it only how much a link may use counts here. */
  readonly path?: PathSettings
}

/** Makes the `tls` transport. */
export function tlsTransport(options: TlsOptions = {}): Transport {
  return {
    name: 'tls',
    dial: (address, dial) => dialTls(address, dial, options),
    listen: (address, listen) => TlsListener.start(address, listen, options),
  }
}

// ---- dialling ----

function dialTls(address: Address, options: DialOptions, { times, path }: TlsOptions): Promise<Link> {
  const { signal, trust } = options
  if (signal?.aborted === true) return Promise.reject(dialAborted(address))
  return new Promise((resolve, reject) => {
    const socket = tls.connect(connectOptions(address, options))
    // tls.connect drops the options of the same names (Node 20.20), but keeps what is set before it is connected. Without
    // TCP_NODELAY small frames wait 40 ms.
    socket.setNoDelay(true).setKeepAlive(true, limits.tls.tcpKeepAliveMs)
    const timer = setTimeout(() => fail(dialTimeout(address)), limits.link.handshakeMs)
    const onAbort = () => fail(dialAborted(address))
    const onError = (error: Error) => fail(dialFailure(address, error))
    const onEnd = () => fail(dialFailure(address, new Error('the connection was closed during the handshake')))
    const done = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      socket.removeListener('close', onEnd)
    }
    const fail = (error: PetrelError) => {
      done()
      socket.destroy()
      reject(error)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    socket.on('error', onError).on('close', onEnd)
    socket.once('secureConnect', () => {
      const pin = peerPin(socket)
      const refusal = refuse(socket, pin, options, address)
      if (refusal !== undefined) return fail(refusal)
      done()
      socket.removeListener('error', onError)
      resolve(
        new YamuxLink({
          ...common(socket, { verified: trust.kind !== 'unverified', pin }),
          role: 'dialer',
          limits: options.limits ?? path?.profile.link ?? limits.link.authenticated,
          stranger: false,
          path,
          ...(times === undefined ? {} : { times }),
        }),
      )
    })
  })
}

function connectOptions(address: Address, { trust, credentials, serverName }: DialOptions): tls.ConnectionOptions {
  const name = serverName ?? address.host
  const checked = trust.kind === 'ca' || trust.kind === 'system'
  return {
    host: address.host,
    port: address.port,
    minVersion: 'TLSv1.3',
    ALPNProtocols: [alpn],
    // An address may not be a server name (RFC 6066 §3); certificates for addresses are checked below all the same.
    servername: isIP(name) === 0 ? name : '',
    checkServerIdentity: (_host: string, certificate: tls.PeerCertificate) =>
      tls.checkServerIdentity(name, certificate),
    rejectUnauthorized: checked,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: limits.link.addressAttemptMs,
    ...(trust.kind === 'ca' ? { ca: trust.certificates } : {}),
    ...(trust.kind === 'system' ? { ca: systemRoots() } : {}),
    ...(credentials === undefined ? {} : { cert: credentials.certificate, key: credentials.privateKey }),
  } as tls.ConnectionOptions
}

/** What speaks against a finished handshake. */
function refuse(
  socket: tls.TLSSocket,
  shown: Uint8Array | undefined,
  { trust }: DialOptions,
  address: Address,
): PetrelError | undefined {
  const where = formatAddress(address)
  if (socket.alpnProtocol !== alpn) {
    return new PetrelError('unreachable', 'peer', `${where} answers, but it is no petrel server: check host and port`)
  }
  if (trust.kind !== 'pin') return undefined
  if (shown !== undefined && samePin(shown, trust.pin)) return undefined
  return otherKey(address)
}

const dialTimeout = (address: Address) =>
  new PetrelError(
    'timeout',
    'network',
    `${formatAddress(address)} did not finish a TLS handshake within ${limits.link.handshakeMs} ms: check address and firewall`,
  )

// ---- both ends ----

/** Call once a connection: Node 20 takes the certificate out of its chain. */
function peerPin(socket: tls.TLSSocket): Uint8Array | undefined {
  const certificate = socket.getPeerX509Certificate()
  return certificate === undefined ? undefined : spkiPin(certificate)
}

const remoteOf = (socket: Socket): Address => ({
  host: plainAddress(socket.remoteAddress ?? ''),
  port: socket.remotePort ?? 0,
})

function common(socket: tls.TLSSocket, peer: Peer) {
  return {
    carrier: socket,
    transport: 'tls' as const,
    remote: remoteOf(socket),
    peer,
    congestionControl: useBbr(socket),
    exportKey: (label: string, context: Uint8Array, bytes: number): Uint8Array => {
      if (socket.destroyed) throw noMoreKeys()
      return socket.exportKeyingMaterial(bytes, label, Buffer.from(context))
    },
  }
}

// ---- listening ----

/** Checks certificate and key before they are used. Throws config_invalid. */
function secureContext(credentials: Credentials): tls.SecureContextOptions {
  leafOf(credentials)
  const made = { cert: credentials.certificate, key: credentials.privateKey, minVersion: 'TLSv1.3' as const }
  try {
    tls.createSecureContext(made)
  } catch (cause) {
    const text = `certificate and key do not fit: ${cause instanceof Error ? cause.message : String(cause)}`
    throw new PetrelError('config_invalid', 'config', text, { cause })
  }
  return made
}

class TlsListener implements Listener {
  readonly address: Address
  readonly #links = new Backlog()
  readonly #strangers = new Admission()
  /** Connections whose handshake is under way, by the peer's address and port. */
  readonly #handshakes = new Map<string, { readonly socket: Socket; leave(): void }>()
  readonly #server: Server
  readonly #tls: tls.Server
  readonly #options: TlsOptions
  #closing: Promise<void> | undefined

  static async start(address: Address, options: ListenOptions, more: TlsOptions): Promise<TlsListener> {
    const context = secureContext(options.credentials)
    if (options.signal?.aborted === true) {
      throw listenAborted(address)
    }
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: limits.tls.tcpKeepAliveMs })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(listenFailure(address, error)))
      server.listen(address.port, address.host, resolve)
    })
    return new TlsListener(server, context, address, more)
  }

  private constructor(server: Server, context: tls.SecureContextOptions, asked: Address, more: TlsOptions) {
    const bound = server.address()
    this.address = { host: asked.host, port: bound !== null && typeof bound === 'object' ? bound.port : asked.port }
    this.#options = more
    this.#server = server
    // It never listens itself: connections are handed to it once they are counted.
    this.#tls = tls.createServer({
      ...context,
      ALPNProtocols: [alpn],
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: limits.link.handshakeMs,
    })
    this.#tls.on('secureConnection', (socket) => this.#onSecure(socket))
    this.#tls.on('tlsClientError', (_error, socket) => socket.destroy())
    server.on('connection', (socket) => this.#onConnection(socket))
    server.on('error', () => {}) // accept() failed, for instance for want of descriptors; the next may succeed
  }

  [Symbol.asyncIterator](): AsyncIterator<Link> {
    return this.#links[Symbol.asyncIterator]()
  }

  renew(credentials: Credentials): void {
    this.#tls.setSecureContext(secureContext(credentials))
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      for (const { socket } of this.#handshakes.values()) socket.destroy()
      this.#links.end()
      // Resolves when no longer bound; its callback would wait for every link that lives on.
      this.#server.close()
      setImmediate(resolve)
    })
    return this.#closing
  }

  #onConnection(socket: Socket): void {
    const leave = this.#strangers.enter(socket.remoteAddress ?? '', limits.tls.strangers)
    if (leave === undefined || this.#closing !== undefined) {
      leave?.()
      socket.destroy()
      return
    }
    const from = formatAddress(remoteOf(socket))
    this.#handshakes.set(from, { socket, leave })
    socket.on('error', () => {})
    socket.once('close', () => {
      leave()
      if (this.#handshakes.get(from)?.socket === socket) this.#handshakes.delete(from)
    })
    this.#tls.emit('connection', socket)
  }

  #onSecure(socket: tls.TLSSocket): void {
    const from = formatAddress(remoteOf(socket))
    const leave = this.#handshakes.get(from)?.leave
    this.#handshakes.delete(from)
    socket.on('error', () => {})
    if (socket.alpnProtocol !== alpn || this.#closing !== undefined) {
      socket.destroy()
      return
    }
    const pin = peerPin(socket)
    const link = new YamuxLink({
      ...common(socket, { verified: pin !== undefined, pin }),
      role: 'listener',
      limits: limits.link.stranger,
      stranger: true,
      path: this.#options.path,
      ...(leave === undefined ? {} : { raised: leave }),
      ...(this.#options.times === undefined ? {} : { times: this.#options.times }),
    })
    this.#links.add(link)
  }
}
