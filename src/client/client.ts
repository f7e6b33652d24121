// A petrel client: dials, serves, and dials again until it is closed or hears something that no retry mends.

import { Backoff } from '../base/backoff.js'
import { pause } from '../base/deadline.js'
import { type ErrorCode, isPetrelError, PetrelError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { checkToken } from '../base/token.js'
import { Race } from '../session/race.js'
import type { LinkStats } from '../transport/transport.js'
import type { Client, ClientOptions, ClientState, ClientStatus } from './options.js'
import { Session } from './session.js'

/** Throws config_invalid or token_invalid; everything later shows in state and in ended. */
export function startClient(options: ClientOptions): Client {
  if ((options.token === undefined) === (options.credentials === undefined)) {
    throw new PetrelError('config_invalid', 'config', 'a client needs a token or a certificate, and not both')
  }
  if (options.token !== undefined) checkToken(options.token)
  if (options.transports.length === 0) throw new PetrelError('config_invalid', 'config', 'a client needs a transport')
  return new RunningClient(options)
}

/** What trying again does not mend. */
const final: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'address_in_use',
  'auth_failed',
  'certificate_untrusted',
  'config_invalid',
  'name_taken',
  'native_missing',
  'port_refused',
  'port_taken',
  'superseded',
  'token_invalid',
  'unsupported',
])

class RunningClient implements Client {
  state: ClientState = { state: 'connecting', attempt: 1 }
  readonly ended: Promise<PetrelError | undefined>
  readonly #options: ClientOptions
  readonly #race: Race
  readonly #stopping = new AbortController()
  #session: Session | undefined

  constructor(options: ClientOptions) {
    this.#options = options
    this.#race = new Race(options.transports, options.log)
    this.ended = this.#run()
  }

  stats(): LinkStats | undefined {
    return this.#session?.stats()
  }

  status(): ClientStatus {
    return { server: this.#options.server, state: this.state, session: this.#session?.status() }
  }

  async close(graceMs = 0): Promise<void> {
    await this.#session?.drain(graceMs)
    this.#stopping.abort()
    await this.#session?.close()
    await this.ended
    await this.#race.settled()
  }

  async #run(): Promise<PetrelError | undefined> {
    const { reconnect, log } = this.#options
    const backoff = new Backoff(reconnect.firstMs, reconnect.longestMs)
    let error: PetrelError | undefined
    for (let attempt = 1; !this.#stopping.signal.aborted; attempt++) {
      this.#enter({ state: 'connecting', attempt })
      const began = Date.now()
      error = await this.#attempt()
      if (this.#stopping.signal.aborted || final.has(error.code)) break
      if (Date.now() - began > limits.steadyMs) {
        backoff.reset()
        attempt = 0
      }
      const delayMs = backoff.next()
      log.warn({ code: error.code }, `${error.message}; trying again in ${(delayMs / 1000).toFixed(1)} s`)
      this.#enter({ state: 'waiting', delayMs, error })
      await pause(delayMs, this.#stopping.signal)
    }
    const last = this.#stopping.signal.aborted ? undefined : error
    this.#enter({ state: 'ended', error: last })
    return last
  }

  /** One link's whole life; resolves with why it ended. */
  async #attempt(): Promise<PetrelError> {
    const { signal } = this.#stopping
    try {
      this.#session = await Session.begin(this.#options, this.#race, signal)
      const { served } = this.#session
      if (served[0]?.refused && served.every(({ refused }) => refused)) return served[0].refused
      return await this.#serve(this.#session)
    } catch (error) {
      if (isPetrelError(error)) return error
      this.#options.log.error({ err: error }, 'attempt failed')
      return new PetrelError('internal', 'us', 'the client failed: see the log', { cause: error })
    } finally {
      await this.#session?.close()
      this.#session = undefined
    }
  }

  #serve(session: Session): Promise<PetrelError> {
    const serving = () => this.#enter({ state: 'serving', transport: session.transport, proxies: session.served })
    serving()
    return session.run(serving)
  }

  #enter(state: ClientState): void {
    this.state = state
    this.#options.onState?.(state)
  }
}
