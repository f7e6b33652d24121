// A native link: turns the engine's events into the promises of the Link interface.

import { LinkEnd, PetrelError, StreamReset } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { printable } from '../../base/printable.js'
import { AsyncQueue } from '../../base/queue.js'
import { noMoreKeys, openAborted } from '../errors.js'
import type { Address, Link, LinkClosed, LinkLimits, LinkStats, Peer, Stream, TransportName } from '../transport.js'
import { Waiters } from '../waiters.js'
import { addonError } from './binding.js'
import { NativeDatagrams } from './datagrams.js'
import type { Engine, LinkSink } from './engine.js'
import { addonLimits } from './limits.js'
import type { Protocol } from './protocol.js'
import { LinkCounters } from './stats.js'
import { NativeStream } from './stream.js'

/** The engine holds the peer to its limit of open streams; only opening and resetting in a flood comes beyond this. */
const backlog = 2 * limits.link.authenticated.streams
const closers = ['us', 'peer', 'network'] as const

export interface NativeLinkOptions {
  readonly engine: Engine
  readonly id: number
  readonly role: Link['role']
  readonly protocol: Protocol
  /** Where the peer is while the engine does not say otherwise. */
  readonly remote: Address
  readonly verified: boolean
}

/** Takes over an established link; holds the engine until it has ended. */
export class NativeLink implements Link, LinkSink {
  readonly role: Link['role']
  readonly transport: TransportName
  readonly peer: Peer
  readonly datagrams: NativeDatagrams | undefined
  readonly closed: Promise<LinkClosed>
  readonly #engine: Engine
  readonly #protocol: Protocol
  readonly #id: number
  readonly #incoming = new AsyncQueue<Stream>(backlog)
  readonly #streams = new Map<number, NativeStream>()
  readonly #waiters = new Waiters<Stream>()
  readonly #counters: LinkCounters
  #remote: Address
  #resolveClosed!: (closed: LinkClosed) => void
  #closedAs: LinkClosed | undefined
  #closing = false

  constructor({ engine, id, role, protocol, remote, verified }: NativeLinkOptions) {
    this.#engine = engine
    this.#protocol = protocol
    this.#id = id
    this.role = role
    this.transport = protocol.name
    this.#remote = remote
    this.#counters = new LinkCounters(engine.addon, id, protocol.path)
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    const peer = engine.addon.peer(id)
    this.peer = { verified: role === 'dialer' ? verified : peer.verified, pin: peer.pin }
    this.datagrams = engine.addon.maxDatagram(id) < 0 ? undefined : new NativeDatagrams(engine, id)
    engine.links.set(id, this)
    engine.hold()
  }

  get remote(): Address {
    if (this.#closedAs === undefined) this.#remote = this.#engine.addon.remote(this.#id) ?? this.#remote
    return this.#remote
  }

  [Symbol.asyncIterator](): AsyncIterator<Stream> {
    return this.#incoming[Symbol.asyncIterator]()
  }

  open(signal?: AbortSignal): Promise<Stream> {
    if (signal?.aborted === true) return Promise.reject(openAborted())
    if (this.#closedAs !== undefined || this.#closing) return Promise.reject(this.#cannotOpen())
    const id = this.#waiters.size > 0 ? -1 : this.#openNext()
    return id >= 0 ? Promise.resolve(this.#add(id)) : this.#waiters.wait(signal)
  }

  exportKey(label: string, context: Uint8Array, bytes: number): Uint8Array {
    if (this.#closedAs !== undefined) throw noMoreKeys()
    try {
      return this.#engine.addon.exportKey(this.#id, Buffer.from(label), context, bytes)
    } catch (error) {
      throw addonError(error, 'export of a key')
    }
  }

  raiseLimits(to: LinkLimits): void {
    this.#engine.addon.raiseLimits(this.#id, addonLimits(to, this.#protocol))
  }

  async close(reason: { readonly code: number; readonly reason: string } = { code: LinkEnd.normal, reason: '' }) {
    if (this.#closedAs === undefined && !this.#closing) {
      this.#closing = true
      this.#engine.addon.closeLink(this.#id, reason.code, reason.reason)
    }
    await this.closed
  }

  stats(): LinkStats {
    return this.#counters.read()
  }

  /** For the tests of the addon's life cycle: has the engine panic on this link. */
  panicForTest(): void {
    this.#engine.addon.panicForTest(this.#id)
  }

  // ---- what the engine says ----

  onConnected(): void {}

  onFailed(): void {}

  onStream(id: number): void {
    const stream = this.#add(id)
    if (!this.#incoming.push(stream)) stream.reset(StreamReset.limit)
  }

  onReadable(id: number): void {
    this.#streams.get(id)?.onReadable()
  }

  onWritable(id: number): void {
    this.#streams.get(id)?.onWritable()
  }

  onReset(id: number, code: number, byPeer: boolean): void {
    this.#streams.get(id)?.onReset(code, byPeer)
  }

  onDatagrams(): void {
    this.datagrams?.onDatagrams()
  }

  onMayOpen(): void {
    this.#waiters.serve(() => {
      const id = this.#openNext()
      return id < 0 ? undefined : this.#add(id)
    })
  }

  onClosed(code: number, by: number, reason: string): void {
    if (this.#closedAs !== undefined) return
    void this.remote
    this.#closedAs = { by: closers[by] ?? 'network', code, reason: printable(reason) }
    this.#counters.freeze(this.#streams.size)
    const error = this.#lost()
    this.#waiters.fail(error)
    for (const stream of [...this.#streams.values()]) stream.onLinkEnd(error)
    for (const stream of this.#incoming.end()) stream.destroy()
    this.datagrams?.end()
    this.#engine.links.delete(this.#id)
    this.#engine.addon.releaseLink(this.#id)
    this.#engine.letGo()
    this.#resolveClosed(this.#closedAs)
  }

  /** A stream's number; -1: the peer allows no more now, onMayOpen follows. */
  #openNext(): number {
    this.#engine.goSoon()
    return this.#engine.addon.open(this.#id)
  }

  #add(id: number): NativeStream {
    const stream = new NativeStream(this.#engine, this.#id, id, () => this.#streams.delete(id))
    this.#streams.set(id, stream)
    return stream
  }

  #cannotOpen(): PetrelError {
    if (!this.#closing) return this.#lost()
    return new PetrelError('closed', 'us', 'the link was closed: it opens no more streams')
  }

  #lost(): PetrelError {
    if (this.#closing) return new PetrelError('link_lost', 'us', 'the link was closed by this side')
    const { by, reason } = this.#closedAs ?? { by: 'us', reason: '' }
    const why = reason === '' ? '' : `: ${reason}`
    return new PetrelError('link_lost', by, `the link ended${by === 'peer' ? ', closed by the peer' : ''}${why}`)
  }
}
