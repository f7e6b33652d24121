// Who holds what: identities, proxy names and public ports, in memory. Everything here is synchronous, so that a claim
// is made or refused in one step; whoever claims, releases.

import { PetrelError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { ProxyKind } from '../proxy/proxy.js'

/** What the registry knows of a session: enough to take its place. */
export interface Holder {
  readonly identity: string
  readonly dialId: string
}

/** One name and, once it is known, one port. */
export interface Claim {
  /** Throws port_taken when another proxy holds it. */
  port(port: number): void
  /** Gives back a port that could not be opened, to try another. */
  dropPort(): void
  /** Name and port are free again; idempotent. */
  release(): void
}

export class Registry<Session extends Holder> {
  readonly #sessions = new Map<string, Session>()
  /** Dials of which a link was admitted: identity and dial id; bounded, the oldest go first. */
  readonly #dials = new Set<string>()
  readonly #names = new Map<string, string>()
  readonly #ports = new Set<string>()
  /** identity and name -> the port it had last, so that a client that returns gets it again; bounded. */
  readonly #lastPorts = new Map<string, number>()

  get sessions(): readonly Session[] {
    return [...this.#sessions.values()]
  }

  /** The session that holds this identity. */
  session(identity: string): Session | undefined {
    return this.#sessions.get(identity)
  }

  /** Whether a link of this dial was admitted before. Also when that one is gone: a link that comes late must neither
   *  take the place of the dial after nor open ports for nobody. */
  isTaken({ identity, dialId }: Holder): boolean {
    return this.#dials.has(`${identity} ${dialId}`)
  }

  add(session: Session): void {
    this.#sessions.set(session.identity, session)
    this.#dials.add(`${session.identity} ${session.dialId}`)
    const oldest = this.#dials.values().next()
    if (this.#dials.size > limits.race.remembered && !oldest.done) this.#dials.delete(oldest.value)
  }

  /** Only if it is still the holder: a successor is left alone. */
  remove(session: Session): void {
    if (this.#sessions.get(session.identity) === session) this.#sessions.delete(session.identity)
  }

  /** Throws name_taken. */
  claim(identity: string, kind: ProxyKind, name: string): Claim {
    if (this.#names.has(name)) {
      throw new PetrelError('name_taken', 'peer', `proxy name ${name} is held by another client: choose another name`)
    }
    this.#names.set(name, identity)
    let held: string | undefined
    const dropPort = () => {
      if (held !== undefined) this.#ports.delete(held)
      held = undefined
    }
    let isReleased = false
    return {
      port: (port) => {
        const key = `${kind} ${port}`
        if (this.#ports.has(key)) {
          throw new PetrelError(
            'port_taken',
            'peer',
            `${kind} port ${port} is held by another proxy: choose another port`,
          )
        }
        this.#ports.add(key)
        held = key
        this.#remember(`${identity} ${name}`, port)
      },
      dropPort,
      release: () => {
        if (isReleased) return
        isReleased = true
        dropPort()
        this.#names.delete(name)
      },
    }
  }

  /** The port that this proxy had the last time, if it had one. */
  lastPort(identity: string, name: string): number | undefined {
    return this.#lastPorts.get(`${identity} ${name}`)
  }

  #remember(key: string, port: number): void {
    this.#lastPorts.delete(key)
    this.#lastPorts.set(key, port)
    const oldest = this.#lastPorts.keys().next()
    if (this.#lastPorts.size > limits.ports.remembered && !oldest.done) this.#lastPorts.delete(oldest.value)
  }
}
