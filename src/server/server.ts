// A petrel server: listeners for every transport on one port, the door behind them, and its sessions.

import { Admission } from '../base/admission.js'
import { pause, within } from '../base/deadline.js'
import { type ErrorCode, isPetrelError, LinkEnd, PetrelError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { type Line, lineOf, sparingly } from '../base/log.js'
import { pemPin } from '../base/pin.js'
import type { ControlChannel } from '../control/channel.js'
import { controlStream, type Newcomer, receiveHello } from '../control/handshake.js'
import { Directory } from '../control/policy.js'
import type { Link, Listener, Stream } from '../transport/transport.js'
import { listenAll } from './listeners.js'
import type { Server, ServerOptions, SessionStatus } from './options.js'
import { noPlace } from './places.js'
import { Registry } from './registry.js'
import { Session } from './session.js'

/** Errors: address_in_use, unreachable, config_invalid, token_invalid, native_missing. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const directory = new Directory(options.clients)
  const listeners = await listenAll(options)
  return new RunningServer(options, directory, listeners)
}

class RunningServer implements Server {
  #options: ServerOptions
  #directory: Directory
  readonly #listeners: readonly Listener[]
  readonly #registry = new Registry<Session>()
  readonly #admission = new Admission()
  readonly #links = new Set<Promise<void>>()
  readonly #aboutStrangers: Line = sparingly((level, message, fields) =>
    lineOf(this.#options.log)(level, message, fields),
  )
  #closing: Promise<void> | undefined

  constructor(options: ServerOptions, directory: Directory, listeners: readonly Listener[]) {
    this.#options = options
    this.#directory = directory
    this.#listeners = listeners
    for (const listener of listeners) void this.#accept(listener)
  }

  get address() {
    return { host: this.#options.bind.host, port: this.#listeners[0]?.address.port ?? this.#options.bind.port }
  }

  get pin(): Uint8Array {
    return pemPin(this.#options.credentials.certificate)
  }

  sessions(): readonly SessionStatus[] {
    return this.#registry.sessions.map((session) => session.status)
  }

  async reload(options: ServerOptions): Promise<void> {
    const directory = new Directory(options.clients)
    for (const listener of this.#listeners) listener.renew(options.credentials)
    this.#directory = directory
    this.#options = { ...options, bind: this.#options.bind, transports: this.#options.transports }
    await Promise.all(this.#registry.sessions.map((session) => session.enforce(directory.successor(session.client))))
  }

  close(graceMs = 0): Promise<void> {
    this.#closing ??= this.#close(graceMs)
    return this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    const listening = this.#listeners.map((listener) => listener.close())
    const signal = AbortSignal.timeout(graceMs)
    await Promise.all(this.#registry.sessions.map((session) => session.drain(signal)))
    await Promise.all(this.#links)
    // A port is free once its links' farewells have been heard; nobody has to wait long for those.
    await Promise.race([Promise.all(listening), pause(limits.link.closeMs)])
  }

  async #accept(listener: Listener): Promise<void> {
    for await (const link of listener) {
      const life = this.#admit(link).catch((error) => this.#options.log.error({ err: error }, 'link failed'))
      this.#links.add(life)
      void Promise.all([life, link.closed]).then(() => this.#links.delete(life))
    }
  }

  /** From a link to a session, or to a no. Resolves when the link's part here is over. */
  async #admit(link: Link): Promise<void> {
    const { handshakes, handshakesPerNetwork, handshakeMs } = this.#options.limits
    const leave = this.#admission.enter(link.remote.host, { total: handshakes, perNetwork: handshakesPerNetwork })
    if (!leave) return link.close({ code: LinkEnd.limit, reason: 'too many handshakes' })
    const streams = link[Symbol.asyncIterator]()
    try {
      const newcomer = await within(this.#authenticate(link, streams), handshakeMs, 'handshake')
      const session = new Session(link, newcomer, this.#registry, () => this.#options)
      await orSayNo(link, newcomer.channel, this.#takePlace(session))
      leave()
      await session.run(streams)
      this.#registry.remove(session)
    } catch (error) {
      await this.#turnAway(link, error)
    } finally {
      leave()
    }
    await link.closed
  }

  /** A link that lost its race is worth no line: it was told that another one was admitted, or left by itself. One with
   *  a wrong credential always is. */
  async #turnAway(link: Link, error: unknown): Promise<void> {
    const reason = error instanceof Error ? error.message : String(error)
    const code = isPetrelError(error, 'protocol_violation') ? LinkEnd.protocol : LinkEnd.refused
    await link.close({ code, reason })
    const closed = await link.closed
    const hasLeft = closed.by === 'peer' && closed.code === LinkEnd.normal
    const lostRace = isPetrelError(error, 'dial_taken') || (hasLeft && !isPetrelError(error, 'auth_failed'))
    const level = lostRace ? 'debug' : 'warn'
    this.#aboutStrangers(level, `link refused: ${reason}`, { remote: link.remote, transport: link.transport })
  }

  async #authenticate(link: Link, streams: AsyncIterator<Stream>): Promise<Newcomer> {
    const channel = await controlStream(streams)
    return orSayNo(link, channel, receiveHello(link, channel, this.#directory))
  }

  /** The same identity that returns takes its place at once; of the links of one race only the first is taken. */
  async #takePlace(session: Session): Promise<void> {
    if (this.#closing) throw new PetrelError('draining', 'us', 'this server is going down')
    if (this.#registry.isTaken(session)) {
      throw new PetrelError('dial_taken', 'peer', 'another link of this dial was admitted')
    }
    const older = this.#registry.session(session.identity)
    if (!older) this.#checkPlace(session)
    this.#registry.add(session)
    await older?.supersede()
  }

  #checkPlace({ client }: Session): void {
    const here = this.#registry.sessions.map((session) => session.client.name)
    const no = noPlace(client.name, { most: this.#options.limits.clients, allowed: this.#directory.size, here })
    if (no) throw no
  }
}

/** What a client is refused for is told, with a moment to read it; the caller closes the link. Whoever does not speak
 *  the protocol would not understand, and whoever left does not listen. */
async function orSayNo<T>(link: Link, channel: ControlChannel, decision: Promise<T>): Promise<T> {
  try {
    return await decision
  } catch (error) {
    if (isPetrelError(error) && !untold.has(error.code)) {
      channel.sendLast({ type: 'refused', name: '', code: error.code, text: error.message })
      await Promise.race([link.closed, pause(limits.control.lastWordMs)])
    }
    throw error
  }
}

const untold: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['protocol_violation', 'link_lost', 'timeout'])
