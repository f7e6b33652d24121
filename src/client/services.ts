// Takes the streams that the server opens and hands each to its proxy's local service.

import { pause } from '../base/deadline.js'
import { Ending } from '../base/ending.js'
import { StreamReset } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { type Line, type Log, lineOf, sparingly } from '../base/log.js'
import { readStreamHeader, serve, serveFlows } from '../proxy/index.js'
import type { Counters, LocalFlows, Service } from '../proxy/proxy.js'
import type { Link, Stream } from '../transport/transport.js'
import type { ClientOptions } from './options.js'
import { ServedVisitors } from './served-visitors.js'

export class Services {
  readonly #byName: ReadonlyMap<string, Service>
  readonly #log: Log
  readonly #aboutVisitors: Line
  readonly #flows: LocalFlows
  readonly #tcp = new Map<string, ServedVisitors>()
  readonly #stopping = new Ending()
  readonly #serving = new Set<Promise<void>>()

  /** Serves from now on, until close(). */
  constructor(link: Link, { proxies, log }: ClientOptions) {
    this.#log = log
    this.#aboutVisitors = sparingly(lineOf(log))
    this.#byName = new Map(proxies.map(({ spec, service }) => [`${spec.type} ${spec.name}`, service]))
    this.#flows = serveFlows({ link, lookup: (name) => this.#byName.get(`udp ${name}`), log: this.#aboutVisitors })
    void this.#accept(link)
  }

  /** Visitors' streams and flows at this moment. */
  get active(): number {
    return this.#serving.size + this.#flows.active
  }

  get flowCounters(): Counters {
    return { ...this.#flows.counters }
  }

  /** Of one proxy. */
  status({ type, name }: { readonly type: string; readonly name: string }) {
    if (type === 'udp') return { active: this.#flows.activeOf(name), counters: {} }
    return this.#tcp.get(name)?.status ?? new ServedVisitors().status
  }

  /** Resolves when no stream is open, or after graceMs. */
  async idle(graceMs: number): Promise<void> {
    await Promise.race([Promise.allSettled([...this.#serving]), pause(graceMs)])
  }

  /** Ends every visitor at once. Settles when all has ended. */
  async close(): Promise<void> {
    this.#stopping.end()
    await Promise.allSettled([this.#flows.close(), ...this.#serving])
  }

  async #accept(link: Link): Promise<void> {
    for await (const stream of link) {
      const served = this.#take(stream).catch((error) => this.#log.debug({ err: error }, 'stream failed'))
      this.#serving.add(served)
      void served.then(() => this.#serving.delete(served))
    }
  }

  /** Only for proxies that are served: as many as the configuration has. */
  #visitors(proxy: string): ServedVisitors {
    const known = this.#tcp.get(proxy) ?? new ServedVisitors()
    this.#tcp.set(proxy, known)
    return known
  }

  async #take(stream: Stream): Promise<void> {
    const ending = this.#stopping
    const deadline = { deadlineMs: limits.proxy.headerMs, signal: ending.signal }
    const header = await readStreamHeader(stream, deadline)
    if (header.proxy === '') return this.#flows.takeStream(stream)
    const service = this.#byName.get(`tcp ${header.proxy}`)
    if (!service) return stream.reset(StreamReset.unknownProxy)
    await this.#visitors(header.proxy).count(serve({ header, stream, service, ending, log: this.#aboutVisitors }))
  }
}
