// How a client finds the transport that gets through (`auto`): each starts a little after the one before it, and the
// first on which both ends have proved themselves carries the session. All links of one race say the same dial id, so
// the server admits one of them and keeps nothing of the others. A race of one transport is a plain dial.

import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import { within } from '../base/deadline.js'
import { isPetrelError, PetrelError } from '../base/errors.js'
import { hostPort } from '../base/ip.js'
import { limits } from '../base/limits.js'
import type { Log } from '../base/log.js'
import type { Address, Transport, TransportName } from '../transport/transport.js'
import { addressesOf } from './addresses.js'
import type { Call, Entered } from './enter.js'
import { Lane, messageOf, rules, together, verdict } from './lane.js'
import { firstOf } from './stagger.js'

export class Race {
  readonly #transports: readonly Transport[]
  readonly #log: Log
  readonly #lookUp: typeof addressesOf
  #workedLast: TransportName | undefined
  readonly #leaving = new Set<Promise<void>>()

  /** transports: best first, at least one. lookUp: a server's addresses, at least one. */
  constructor(transports: readonly Transport[], log: Log, lookUp = addressesOf) {
    this.#transports = transports
    this.#log = log
    this.#lookUp = lookUp
  }

  /** One race. Errors: of a single transport its own; else what no other transport would mend (auth_failed,
   *  certificate_untrusted, …), aborted, or one error that names each transport and its reason. */
  async run(call: Call, signal: AbortSignal): Promise<Entered> {
    const { server } = call
    const looking = this.#lookUp(server)
    const addresses = await within(looking, limits.link.handshakeMs, `looking up ${server.host}`, signal)
    // Addresses are dialled, and the certificate speaks of the name.
    const named = isIP(server.host) === 0 ? { serverName: server.host, ...call } : call
    const field = { call: named, addresses, dialId: randomBytes(16), onLeft: this.#onLeft }
    const lanes = this.#inOrder().map((transport) => new Lane(transport, field))
    const patience = setTimeout(() => this.#tellOfSilence(server), limits.race.silentMs).unref()
    try {
      const entered = await firstOf(lanes, { ...rules(signal, field), again: limits.race.again })
      this.#workedLast = entered.link.transport
      this.#tell(lanes, entered.link.transport)
      return entered
    } catch (error) {
      if (signal.aborted) throw aborted(signal)
      const failed = lanes.filter((lane) => lane.error !== undefined)
      if (lanes.length === 1 && onUdp.has(lanes[0]!.name) && isPetrelError(error, 'timeout')) throw maybeBlocked(error)
      if (failed.length < 2 || verdict(error) === 'end') throw error
      const reasons = failed.map((lane) => `${lane.name}: ${messageOf(lane.error)}`).join('; ')
      throw together(
        failed.map((lane) => lane.error),
        `no transport gets through to ${hostPort(server.host, server.port)}: ${reasons}`,
      )
    } finally {
      clearTimeout(patience)
    }
  }

  /** Settles when the links that lost the races so far are closed. */
  async settled(): Promise<void> {
    await Promise.all(this.#leaving)
  }

  /** The one that worked last has the head start. */
  #inOrder(): readonly Transport[] {
    const isFirst = ({ name }: Transport) => name === this.#workedLast
    return [...this.#transports.filter(isFirst), ...this.#transports.filter((one) => !isFirst(one))]
  }

  readonly #onLeft = (closing: Promise<void>): void => {
    this.#leaving.add(closing)
    void closing.finally(() => this.#leaving.delete(closing))
  }

  #tellOfSilence({ host, port }: Address): void {
    const names = this.#transports.map(({ name }) => name).join(', ')
    this.#log.info({}, `no answer from ${hostPort(host, port)} over ${names} so far: still trying`)
  }

  /** Why it is not the one that had the head start. */
  #tell(lanes: readonly Lane[], winner: TransportName): void {
    const place = lanes.findIndex(({ name }) => name === winner)
    const before = lanes.slice(0, place)
    if (before.length === 0) return
    const why = before.map(({ name, error, elapsedMs }) =>
      error === undefined ? `${name} did not answer within ${elapsedMs} ms` : `${name} failed (${messageOf(error)})`,
    )
    const isSilent = before.some(({ name, error }) => error === undefined && onUdp.has(name))
    const guess = isSilent && !onUdp.has(winner) ? ' (UDP blocked?)' : ''
    this.#log.info({ transport: winner }, `over ${winner}: ${why.join(', ')}${guess}`)
  }
}

const onUdp: ReadonlySet<TransportName> = new Set<TransportName>(['quic', 'kcp'])

const maybeBlocked = (cause: PetrelError) =>
  new PetrelError(
    cause.code,
    'network',
    `${cause.message}; the transport auto also tries TLS, for where UDP is blocked`,
    {
      cause,
    },
  )

const aborted = (signal: AbortSignal) =>
  new PetrelError('aborted', 'us', 'the dial was given up by the caller', { cause: signal.reason })
