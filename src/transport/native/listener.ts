// A listener of a native protocol. Listeners of two protocols on the very same address share one socket.

import { limits } from '../../base/limits.js'
import { Backlog } from '../backlog.js'
import { leafOf } from '../certificate.js'
import { cannotListen, isListenCode, listenAborted } from '../errors.js'
import type { Address, Credentials, Link, Listener, ListenOptions } from '../transport.js'
import { addonError } from './binding.js'
import { type Engine, sharedEngine } from './engine.js'
import { addonLimits } from './limits.js'
import { NativeLink } from './link.js'
import type { Protocol } from './protocol.js'
import { resolve } from './resolve.js'

export class NativeListener implements Listener {
  readonly address: Address
  readonly #engine: Engine
  readonly #protocol: Protocol
  readonly #id: number
  readonly #links = new Backlog()
  #closed: Promise<void> | undefined
  #settleClosed = () => {}

  static async start(protocol: Protocol, address: Address, options: ListenOptions): Promise<NativeListener> {
    const engine = sharedEngine()
    if (options.signal?.aborted === true) {
      throw listenAborted(address)
    }
    leafOf(options.credentials)
    const [host] = await resolve(address)
    try {
      const { id, port } = engine.addon.listen(
        protocol.name,
        host!,
        address.port,
        options.credentials,
        addonLimits(limits.link.stranger, protocol),
      )
      return new NativeListener(engine, protocol, id, { host: address.host, port })
    } catch (error) {
      const failure = addonError(error)
      throw isListenCode(failure.code) ? cannotListen(address, 'UDP', failure.code, failure) : failure
    }
  }

  private constructor(engine: Engine, protocol: Protocol, id: number, address: Address) {
    this.#protocol = protocol
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
    const link = new NativeLink({
      engine,
      id,
      role: 'listener',
      protocol: this.#protocol,
      remote,
      verified: false,
    })
    this.#links.add(link)
  }
}
