// The public sides of one session: opened by `register`, closed with it. A registration succeeds whole or leaves
// nothing behind.

import { isPetrelError, PetrelError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { lineOf, sparingly } from '../base/log.js'
import { namePattern } from '../base/names.js'
import { type AllowedClient, portsFor, refusal } from '../control/policy.js'
import { proxyTypes } from '../proxy/index.js'
import type { Exposure, ProxySpec, StreamOpener } from '../proxy/proxy.js'
import type { Refused, Register, Registered } from '../wire/messages.js'
import type { ProxyStatus, ServerOptions } from './options.js'
import { candidatePorts } from './ports.js'
import type { Claim, Holder, Registry } from './registry.js'

interface Open {
  readonly register: Register
  readonly exposure: Exposure
  readonly claim: Claim
}

export class SessionProxies {
  readonly #open = new Map<string, Open>()
  readonly #identity: string
  readonly #registry: Registry<Holder>
  readonly #opener: StreamOpener
  #isEnded = false

  constructor(identity: string, registry: Registry<Holder>, opener: StreamOpener) {
    this.#identity = identity
    this.#registry = registry
    this.#opener = opener
  }

  status(): readonly ProxyStatus[] {
    return [...this.#open.values()].map(({ register, exposure }) => ({
      name: register.name,
      type: register.proxy,
      address: exposure.address,
      localPort: register.localPort,
      active: exposure.active,
      counters: { ...exposure.counters },
    }))
  }

  /** Closes what would not be allowed under these options, and says so of each. The others are not touched. */
  async enforce(client: AllowedClient, options: ServerOptions): Promise<readonly Refused[]> {
    const refused: Refused[] = []
    for (const { register, exposure, claim } of [...this.#open.values()]) {
      const no = refusal(client, { ...register, remotePort: exposure.address.port }, options)
      if (!no) continue
      this.#open.delete(register.name)
      await exposure.close()
      claim.release()
      refused.push({ type: 'refused', name: register.name, code: no.code, text: `no longer allowed: ${no.message}` })
    }
    return refused
  }

  /** Never rejects: the answer says how it went. */
  async register(message: Register, client: AllowedClient, options: ServerOptions): Promise<Registered | Refused> {
    try {
      const { address } = await this.#openOne(message, client, options)
      return { type: 'registered', name: message.name, host: address.host, port: address.port }
    } catch (error) {
      if (!isPetrelError(error)) options.log.error({ err: error, proxy: message.name }, 'registration failed')
      const { code, message: text } = isPetrelError(error)
        ? error
        : new PetrelError('internal', 'us', 'the server failed: see its log')
      return { type: 'refused', name: message.name, code, text }
    }
  }

  /** No new visitors; resolves when the last has gone or the signal fires. */
  async drain(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#open.values()].map(({ exposure }) => exposure.drain(signal)))
  }

  /** Ends every visitor; names and ports are free when it resolves. */
  async close(): Promise<void> {
    this.#isEnded = true
    const open = [...this.#open.values()]
    this.#open.clear()
    await Promise.allSettled(open.map(({ exposure }) => exposure.close()))
    for (const { claim } of open) claim.release()
  }

  async #openOne(register: Register, client: AllowedClient, options: ServerOptions): Promise<Exposure> {
    if (!namePattern.test(register.name)) {
      throw new PetrelError('config_invalid', 'peer', 'a proxy name has 1 to 64 of the characters a-z A-Z 0-9 . _ -')
    }
    if (this.#open.size >= options.limits.proxiesPerClient) {
      const most = options.limits.proxiesPerClient
      throw new PetrelError('limit_exceeded', 'peer', `this client has ${most} proxies, all that the server allows`)
    }
    checkBounds(register)
    const no = refusal(client, register, options)
    if (no) throw no
    const claim = this.#registry.claim(this.#identity, register.proxy, register.name)
    try {
      const exposure = await this.#expose(register, client, options, claim)
      if (this.#isEnded) {
        await exposure.close()
        throw new PetrelError('closed', 'us', 'the session ended')
      }
      this.#open.set(register.name, { register, exposure, claim })
      return exposure
    } catch (error) {
      claim.release()
      throw error
    }
  }

  async #expose(register: Register, client: AllowedClient, options: ServerOptions, claim: Claim): Promise<Exposure> {
    const last = this.#registry.lastPort(this.#identity, register.name)
    const ports = candidatePorts(register.remotePort, portsFor(client, options), last)
    let busy = new PetrelError('port_taken', 'peer', 'no port is free in the allowed ranges')
    for (const port of ports) {
      try {
        claim.port(port)
        return await proxyTypes[register.proxy].expose(
          specOf(register),
          this.#opener,
          publicSide(register, port, options),
        )
      } catch (error) {
        claim.dropPort()
        if (!isPetrelError(error, 'address_in_use') && !isPetrelError(error, 'port_taken')) throw error
        busy = error
      }
    }
    throw busy
  }
}

/** Numbers that no configuration of a client has, and that would keep a timer of the server busy. */
function checkBounds({ options: { maxConnections = 1, idleTimeoutMs = limits.proxy.shortestIdleMs } }: Register): void {
  if (maxConnections < 1) throw new PetrelError('config_invalid', 'peer', 'max_connections is 0: at least 1 is needed')
  if (idleTimeoutMs >= limits.proxy.shortestIdleMs) return
  const text = `idle_timeout is ${idleTimeoutMs} ms: this server takes ${limits.proxy.shortestIdleMs} ms or more`
  throw new PetrelError('config_invalid', 'peer', text)
}

const specOf = ({ proxy, name, remotePort, localPort, options }: Register): ProxySpec => ({
  type: proxy,
  name,
  remotePort,
  localPort,
  ...options,
})

function publicSide(register: Register, port: number, { limits, log, proxyBindAddress }: ServerOptions) {
  return {
    bindAddress: proxyBindAddress,
    port,
    limits: {
      maxConnections: limits.connectionsPerProxy,
      maxConnectionsPerSource: limits.connectionsPerSource,
      idleTimeoutMs: register.proxy === 'tcp' ? limits.tcpIdleMs : limits.udpIdleMs,
    },
    log: sparingly(lineOf(log.child({ proxy: register.name }))),
  }
}
