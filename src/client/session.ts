// One link of a client, from dial to end: enter, register, hand the server's streams to the local services.

import { pause, within } from '../base/deadline.js'
import { isPetrelError, LinkEnd, PetrelError } from '../base/errors.js'
import { limits, profiles } from '../base/limits.js'
import type { ControlChannel } from '../control/channel.js'
import { Heartbeat } from '../control/heartbeat.js'
import { orWhyClosed, superseded, whyClosed } from '../session/closed.js'
import { sayCongestion, sayUnkept } from '../session/congestion.js'
import type { Call } from '../session/enter.js'
import type { Race } from '../session/race.js'
import type { Link, LinkStats, TransportName } from '../transport/transport.js'
import type { Message, Refused, Register, Registered } from '../wire/messages.js'
import type { ClientOptions, ClientProxy, ClientSessionStatus, ServedProxy } from './options.js'
import { Services } from './services.js'

export class Session {
  /** One for each proxy, in the order of the options. */
  served: readonly ServedProxy[]
  readonly #link: Link
  readonly #channel: ControlChannel
  readonly #services: Services
  readonly #heartbeat: Heartbeat
  readonly #since = new Date()
  /** What the server said last, which explains the end that follows. */
  #lastWord: PetrelError | undefined

  private constructor(link: Link, channel: ControlChannel, services: Services, served: readonly ServedProxy[]) {
    this.#link = link
    this.#channel = channel
    this.#services = services
    this.served = served
    this.#heartbeat = new Heartbeat(
      () => services.active > 0,
      () => channel.send({ type: 'heartbeat' }),
      () => void link.close({ code: LinkEnd.idle, reason: 'no heartbeat' }),
    )
  }

  /** Dials, proves, registers. Rejects with why there is no link; proxies that are refused are told in `served`. */
  static async begin(options: ClientOptions, race: Race, signal: AbortSignal): Promise<Session> {
    const { log, trust, profile = profiles.default } = options
    const { link, channel } = await race.run(callOf(options), signal)
    log.debug({ remote: link.remote, transport: link.transport }, 'link up')
    sayCongestion(link, log)
    sayUnkept(link, log)
    let services: Services | undefined
    try {
      link.raiseLimits(profile.link)
      if (trust.kind === 'unverified' && link.peer.pin) options.onPin?.(link.peer.pin)
      services = new Services(link, options) // not before: the server has proved itself only now
      const answers = within(answersTo(channel, options.proxies), profile.handshakeMs, 'registration', signal)
      return new Session(link, channel, services, await orWhyClosed(link, answers))
    } catch (error) {
      await services?.close()
      await link.close({ code: LinkEnd.normal, reason: 'giving up' })
      throw error
    }
  }

  get transport(): TransportName {
    return this.#link.transport
  }

  stats(): LinkStats {
    return this.#link.stats()
  }

  status(): ClientSessionStatus {
    const { transport, remote } = this.#link
    return {
      transport,
      remote,
      since: this.#since,
      link: this.#link.stats(),
      flows: this.#services.flowCounters,
      proxies: this.served.map((proxy) => ({ ...proxy, ...this.#services.status(proxy) })),
    }
  }

  /** Serves until the link ends; resolves with why. onServed: the server closed a proxy, and served has changed. */
  async run(onServed: () => void): Promise<PetrelError> {
    const fault = await this.#listen(onServed)
    const known = this.#lastWord ?? (fault.code === 'link_lost' ? undefined : fault)
    const closed = known ? undefined : await Promise.race([this.#link.closed, pause(limits.control.lastWordMs)])
    await this.close()
    return known ?? (closed ? whyClosed(closed) : fault)
  }

  /** Tells the server to send no more visitors and waits for those that are here, graceMs at most. */
  async drain(graceMs: number): Promise<void> {
    this.#channel.send({ type: 'drain' })
    await this.#services.idle(graceMs)
  }

  /** Idempotent; settles when link and services have ended. */
  async close(): Promise<void> {
    this.#heartbeat.stop()
    await this.#link.close({ code: LinkEnd.normal, reason: 'client closed' })
    await this.#services.close()
  }

  /** Resolves with what ended the control stream. */
  async #listen(onServed: () => void): Promise<PetrelError> {
    try {
      for (;;) this.#handle(await this.#channel.receive(), onServed)
    } catch (error) {
      return isPetrelError(error) ? error : new PetrelError('internal', 'us', String(error), { cause: error })
    }
  }

  #handle(message: Message, onServed: () => void): void {
    if (message.type === 'heartbeat') this.#channel.send({ type: 'heartbeatReply' })
    else if (message.type === 'heartbeatReply') this.#heartbeat.replied()
    else if (message.type === 'superseded') this.#lastWord = superseded()
    else if (message.type === 'drain') this.#lastWord = new PetrelError('draining', 'peer', 'the server is going down')
    else if (message.type === 'refused' && message.name === '') this.#lastWord = refusedBy(message)
    else if (message.type === 'refused') {
      this.#close(message)
      onServed()
    } else throw new PetrelError('protocol_violation', 'peer', `a server does not send ${message.type} here`)
  }

  /** The server no longer allows one proxy. With the last of them the session has nothing to do. */
  #close(message: Refused): void {
    const refused = refusedBy(message)
    const close = (proxy: ServedProxy) =>
      proxy.name === message.name ? { ...proxy, public: undefined, refused } : proxy
    this.served = this.served.map(close)
    if (this.served.some((proxy) => !proxy.refused)) return
    this.#lastWord = refused
    void this.#link.close({ code: LinkEnd.normal, reason: 'no proxy is left' })
  }
}

function callOf({ server, serverName, trust, token, credentials, installId, proxies, profile }: ClientOptions): Call {
  return {
    server,
    trust,
    profile: profile ?? profiles.default,
    credential: token === undefined ? { certificate: true } : { token },
    clientId: installId,
    registers: proxies.map(registerOf),
    ...(serverName === undefined ? {} : { serverName }),
    ...(credentials === undefined ? {} : { certificate: credentials }),
  }
}

const registerOf = ({ spec }: ClientProxy): Register => {
  const { type, name, remotePort, localPort, ...options } = spec
  return { type: 'register', proxy: type, name, remotePort, localPort, options }
}

/** The server answers each registration once, in any order; heartbeats may come between. */
async function answersTo(channel: ControlChannel, proxies: readonly ClientProxy[]): Promise<readonly ServedProxy[]> {
  const answers = new Map<string, Registered | Refused>()
  while (answers.size < proxies.length) {
    const message = await channel.receive()
    if (message.type === 'heartbeat') channel.send({ type: 'heartbeatReply' })
    else if (message.type === 'superseded') throw superseded()
    else if (message.type === 'refused' && message.name === '') throw refusedBy(message)
    else if (message.type === 'registered' || message.type === 'refused') answers.set(message.name, message)
    else throw new PetrelError('protocol_violation', 'peer', `${message.type} in answer to a registration`)
  }
  return proxies.map(({ spec, service }) => {
    const answer = answers.get(spec.name)
    const base = { name: spec.name, type: spec.type, service: { host: service.host, port: service.port } }
    if (answer?.type === 'registered') {
      return { ...base, public: { host: answer.host, port: answer.port }, refused: undefined }
    }
    const refused = answer
      ? refusedBy(answer)
      : new PetrelError('protocol_violation', 'peer', `the server did not answer for proxy ${spec.name}`)
    return { ...base, public: undefined, refused }
  })
}

const refusedBy = ({ code, name, text }: Refused) =>
  new PetrelError(code, 'peer', name === '' ? `the server refuses: ${text}` : `proxy ${name}: ${text}`)
