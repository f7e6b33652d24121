// One authenticated client: its control stream, its proxies, its end. Ends once, for the first reason, and leaves
// nothing behind.

import { pause } from '../base/deadline.js'
import { isPetrelError, LinkEnd, PetrelError, StreamReset } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Log } from '../base/log.js'
import { accept, type Newcomer } from '../control/handshake.js'
import { Heartbeat } from '../control/heartbeat.js'
import type { AllowedClient } from '../control/policy.js'
import { makeOpener } from '../proxy/index.js'
import type { LinkOpener } from '../proxy/proxy.js'
import { sayCongestion, sayUnkept } from '../session/congestion.js'
import type { Link, Stream } from '../transport/transport.js'
import type { Message, Register } from '../wire/messages.js'
import type { ServerOptions, SessionStatus } from './options.js'
import { SessionProxies } from './proxies.js'
import type { Holder, Registry } from './registry.js'

export class Session implements Holder {
  readonly identity: string
  readonly dialId: string
  client: AllowedClient
  readonly #newcomer: Newcomer
  readonly #link: Link
  readonly #log: Log
  readonly #options: () => ServerOptions
  readonly #opener: LinkOpener
  readonly #proxies: SessionProxies
  readonly #since = new Date()
  readonly #registrations: number[] = []
  #isDraining = false
  #ending: Promise<void> | undefined

  /** options: those in force, which a reload changes. */
  constructor(link: Link, newcomer: Newcomer, registry: Registry<Holder>, options: () => ServerOptions) {
    this.#link = link
    this.#newcomer = newcomer
    this.#options = options
    this.client = newcomer.client
    this.identity = newcomer.identity
    this.dialId = Buffer.from(newcomer.hello.dialId).toString('hex')
    this.#log = options().log.child({ client: newcomer.client.name, transport: link.transport })
    this.#opener = makeOpener(link)
    this.#proxies = new SessionProxies(this.identity, registry, this.#opener)
  }

  get status(): SessionStatus {
    const { transport, remote } = this.#link
    return {
      client: this.client.name,
      transport,
      remote,
      since: this.#since,
      link: this.#link.stats(),
      flows: { ...this.#opener.flowCounters },
      proxies: this.#proxies.status(),
    }
  }

  /** Accepts and serves until the link or the session ends. Never rejects. streams: the link's, after the first. */
  async run(streams: AsyncIterator<Stream>): Promise<void> {
    if (this.#ending) return this.#ending
    const { channel } = this.#newcomer
    const isBusy = () => this.#link.stats().openStreams > 1
    const heartbeat = new Heartbeat(
      isBusy,
      () => channel.send({ type: 'heartbeat' }),
      () => void this.end(LinkEnd.idle, 'no heartbeat'),
    )
    void this.#link.closed.then(({ code, reason }) => this.end(code, reason))
    void refuseStreams(streams)
    try {
      this.#link.raiseLimits(this.#options().limits.link)
      accept(this.#link, this.#newcomer)
      this.#log.info({ remote: this.#link.remote }, 'client connected')
      sayCongestion(this.#link, this.#log)
      sayUnkept(this.#link, this.#log)
      while (!this.#ending) await this.#handle(await channel.receive(), heartbeat)
    } catch (error) {
      await this.#endFor(error)
    } finally {
      heartbeat.stop()
      await this.#ending
    }
  }

  /** The same identity came back on a newer link: its names and ports are free when this resolves. */
  async supersede(): Promise<void> {
    this.#lastWord({ type: 'superseded' })
    await this.end(LinkEnd.superseded, 'superseded by a newer link of the same client', limits.control.lastWordMs)
  }

  /** Closes the proxies that the new configuration does not allow. client: its entry there; undefined: it has none, and
   *  is told to stop for good. */
  async enforce(client: AllowedClient | undefined): Promise<void> {
    if (!client) {
      const text = 'this client is no longer allowed'
      this.#lastWord({ type: 'refused', name: '', code: 'auth_failed', text })
      return this.end(LinkEnd.refused, text, limits.control.lastWordMs)
    }
    this.client = client
    for (const answer of await this.#proxies.enforce(client, this.#options())) {
      this.#log.warn({ proxy: answer.name, code: answer.code }, `proxy closed: ${answer.text}`)
      if (!this.#ending) this.#newcomer.channel.send(answer)
    }
  }

  /** Tells the client, lets visitors finish until the signal fires, ends. */
  async drain(signal: AbortSignal): Promise<void> {
    if (!this.#ending) this.#newcomer.channel.send({ type: 'drain' })
    await this.#proxies.drain(signal)
    await this.end(LinkEnd.draining, 'the server is going down')
  }

  /** Resolves when names and ports are free; the link follows, graceMs later if the peer has something to read. */
  end(code: number, reason: string, graceMs = 0): Promise<void> {
    this.#ending ??= this.#end(code, reason, graceMs)
    return this.#ending
  }

  async #end(code: number, reason: string, graceMs: number): Promise<void> {
    this.#log.info({ reason }, 'client disconnected')
    this.#opener.close()
    await this.#proxies.close()
    void Promise.race([this.#link.closed, pause(graceMs)]).then(() => this.#link.close({ code, reason }))
  }

  /** What the client did ends its link with a code that says so; of a limit it also hears which. */
  async #endFor(error: unknown): Promise<void> {
    const text = error instanceof Error ? error.message : String(error)
    if (isPetrelError(error, 'protocol_violation')) return this.end(LinkEnd.protocol, text)
    if (!isPetrelError(error, 'limit_exceeded')) return this.end(LinkEnd.normal, text)
    this.#lastWord({ type: 'refused', name: '', code: error.code, text })
    return this.end(LinkEnd.limit, text, limits.control.lastWordMs)
  }

  #lastWord(message: Message): void {
    if (!this.#ending) this.#newcomer.channel.sendLast(message)
  }

  async #handle(message: Message, heartbeat: Heartbeat): Promise<void> {
    const { channel } = this.#newcomer
    if (message.type === 'heartbeat') channel.send({ type: 'heartbeatReply' })
    else if (message.type === 'heartbeatReply') heartbeat.replied()
    else if (message.type === 'register') await this.#register(message)
    else if (message.type === 'drain') this.#drainForClient()
    else throw new PetrelError('protocol_violation', 'peer', `a client does not send ${message.type}`)
  }

  /** Once: each further word would cost a timer and promises for every proxy. */
  #drainForClient(): void {
    if (this.#isDraining) return
    this.#isDraining = true
    void this.#proxies.drain(AbortSignal.timeout(limits.drainMs))
  }

  async #register(message: Register): Promise<void> {
    const options = this.#options()
    const now = Date.now()
    while ((this.#registrations[0] ?? now) < now - 60_000) this.#registrations.shift()
    this.#registrations.push(now)
    if (this.#registrations.length > options.limits.registrationsPerMinute) {
      throw new PetrelError('limit_exceeded', 'peer', 'too many registrations in a minute')
    }
    const answer = await this.#proxies.register(message, this.client, options)
    if (this.#ending) return
    this.#newcomer.channel.send(answer)
    const fields = { proxy: answer.name, type: message.proxy }
    if (answer.type === 'registered') this.#log.info({ ...fields, port: answer.port }, 'proxy open')
    else this.#log.warn({ ...fields, code: answer.code }, `proxy refused: ${answer.text}`)
  }
}

/** A client opens its control stream and nothing else. */
async function refuseStreams(streams: AsyncIterator<Stream>): Promise<void> {
  for (;;) {
    const { value, done } = await streams.next()
    if (done) return
    value.on('error', () => {})
    value.reset(StreamReset.protocol)
  }
}
