// The `udp` proxy on the server: a public socket, and one flow for each visitor's address. Its other half, on the
// client, is serve-flows.ts.

import type { RemoteInfo, Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { plainAddress, sourceKey } from '../base/ip.js'
import { limits } from '../base/limits.js'
import type { Address } from '../transport/transport.js'
import { watchIdle } from './idle.js'
import { listenError } from './listen-error.js'
import type { Exposure, Flow, FlowEvents, ProxySpec, ProxyType, PublicSide, StreamOpener } from './proxy.js'
import { askBuffers, canSend, udpSocket } from './udp-socket.js'
import { refusedCounter, Visitors } from './visitors.js'

export const udp: ProxyType = { type: 'udp', expose: exposeUdp }

export type UdpCounters = {
  /** Flows. */
  accepted: number
  endedIdle: number
  /** Quiet ones that gave way to a new one of the same source, and ones with one payload where the proxy was full. */
  endedForRoom: number
  /** By the client, or with the link. */
  endedByPeer: number
  /** Payloads of visitors, and those to them. */
  received: number
  sent: number
  receivedBytes: number
  sentBytes: number
  /** Payloads dropped: by a list, by a cap, because no flow could be opened. */
  refusedDenied: number
  refusedProxyFull: number
  refusedSourceFull: number
  refusedNoFlow: number
  /** From port 0, where nobody can be answered. */
  refusedNoPort: number
  /** Payloads to visitors that the system did not take. */
  droppedSendQueue: number
  droppedSendError: number
}

/** Opens the public port. Resolves once it is bound. Errors: address_in_use, port_refused, config_invalid. */
export async function exposeUdp(spec: ProxySpec, to: StreamOpener, on: PublicSide): Promise<Exposure> {
  const exposure = new UdpExposure(spec, to, on)
  await exposure.bind()
  return exposure
}

class UdpExposure implements Exposure {
  readonly counters: UdpCounters = {
    accepted: 0,
    endedIdle: 0,
    endedForRoom: 0,
    endedByPeer: 0,
    received: 0,
    sent: 0,
    receivedBytes: 0,
    sentBytes: 0,
    refusedDenied: 0,
    refusedProxyFull: 0,
    refusedSourceFull: 0,
    refusedNoFlow: 0,
    refusedNoPort: 0,
    droppedSendQueue: 0,
    droppedSendError: 0,
  }
  address: Address
  private readonly socket: Socket
  private readonly visitors: Visitors
  private readonly flows = new Map<string, VisitorFlow>()
  /** Those whose visitor has sent one payload, oldest first: all that a forged address ever comes to. */
  private readonly unproved = new Set<VisitorFlow>()
  private readonly idleTimeoutMs: number
  private nextSearch = 0
  private closed: Promise<void> | undefined

  constructor(
    private readonly spec: ProxySpec,
    private readonly to: StreamOpener,
    private readonly on: PublicSide,
  ) {
    this.address = { host: spec.bindAddress ?? on.bindAddress, port: on.port }
    this.visitors = new Visitors(spec, on.limits)
    this.idleTimeoutMs = Math.min(spec.idleTimeoutMs ?? on.limits.idleTimeoutMs, on.limits.idleTimeoutMs)
    this.socket = udpSocket(isIPv6(this.address.host) ? 'udp6' : 'udp4')
  }

  get active(): number {
    return this.flows.size
  }

  bind(): Promise<void> {
    return new Promise((resolve, reject) => {
      const onError = (cause: Error): void => {
        this.socket.close()
        reject(listenError('udp', this.address, cause))
      }
      this.socket.once('error', onError)
      this.socket.bind({ address: this.address.host, port: this.address.port, exclusive: true }, () => {
        const { address: host, port } = this.socket.address()
        this.address = { host, port }
        askBuffers(this.socket, limits.proxy.publicSocketBytes)
        this.socket.off('error', onError)
        // A visitor's host that answers with ICMP, mostly; nothing that concerns the others.
        this.socket.on('error', () => this.counters.droppedSendError++)
        this.socket.on('message', (bytes, from) => this.receive(bytes, from))
        resolve()
      })
    })
  }

  /** Ends every flow at once: unlike a connection, a flow has no end that could be waited for. */
  drain(): Promise<void> {
    this.closed ??= new Promise((resolve) => {
      for (const flow of [...this.flows.values()]) {
        this.remove(flow)
        flow.flow.close()
      }
      this.socket.close(resolve)
    })
    return this.closed
  }

  close(): Promise<void> {
    return this.drain()
  }

  private receive(bytes: Buffer, from: RemoteInfo): void {
    const key = `${from.address} ${from.port}`
    const known = this.flows.get(key)
    if (known !== undefined) this.unproved.delete(known)
    const held = known ?? this.admit(key, from)
    if (held === undefined) return
    this.counters.received++
    this.counters.receivedBytes += bytes.length
    held.touch()
    held.flow.send(bytes)
  }

  private admit(key: string, from: RemoteInfo): VisitorFlow | undefined {
    // RFC 768: the sender wants no answer. Only forged ones come so, and Node throws when asked to send there.
    if (from.port === 0) {
      this.counters.refusedNoPort++
      return undefined
    }
    let refusal = this.visitors.enter(from.address)
    const hasRoom =
      (refusal === 'sourceFull' && this.makeRoom(from.address)) || (refusal === 'proxyFull' && this.endUnproved())
    if (hasRoom) refusal = this.visitors.enter(from.address)
    if (refusal !== undefined) {
      this.counters[refusedCounter[refusal]]++
      return undefined
    }
    const held = new VisitorFlow(key, from)
    try {
      const visitor = { host: plainAddress(from.address), port: from.port }
      held.flow = this.to.flows.open(this.spec.name, visitor, this.eventsOf(held))
    } catch (error) {
      this.visitors.leave(from.address)
      this.counters.refusedNoFlow++
      this.on.log('debug', `no flow for a visitor: ${(error as Error).message}`, { proxy: this.spec.name })
      return undefined
    }
    this.counters.accepted++
    this.flows.set(key, held)
    this.unproved.add(held)
    const onIdle = (): void => {
      this.counters.endedIdle++
      this.remove(held)
      held.flow.close()
    }
    held.unwatch = watchIdle(this.idleTimeoutMs, () => held.moved, onIdle)
    return held
  }

  /** A source at its cap gives up the quietest of its own flows: a resolver takes a new port for each query. */
  private makeRoom(host: string): boolean {
    const now = performance.now()
    // Whoever floods from one address must not buy a search of all flows with each payload.
    if (now < this.nextSearch) return false
    const source = sourceKey(plainAddress(host))
    let quietest: VisitorFlow | undefined
    for (const held of this.flows.values()) {
      if (held.source === source && (quietest === undefined || held.movedAt < quietest.movedAt)) quietest = held
    }
    if (quietest === undefined || now - quietest.movedAt < limits.proxy.quietFlowMs) {
      this.nextSearch = now + limits.proxy.quietSearchMs
      return false
    }
    this.counters.endedForRoom++
    this.remove(quietest)
    quietest.flow.close()
    return true
  }

  /** Whoever forges addresses could fill the proxy for everybody else, so the oldest unproved flow goes. */
  private endUnproved(): boolean {
    const [oldest] = this.unproved
    if (oldest === undefined) return false
    this.counters.endedForRoom++
    this.remove(oldest)
    oldest.flow.close()
    return true
  }

  private eventsOf(held: VisitorFlow): FlowEvents {
    return {
      payload: (bytes) => {
        held.touch()
        this.reply(bytes, held.visitor)
      },
      closed: () => {
        this.counters.endedByPeer++
        this.remove(held)
      },
    }
  }

  private reply(bytes: Uint8Array, to: Address): void {
    if (!canSend(this.socket)) {
      this.counters.droppedSendQueue++
      return
    }
    this.counters.sent++
    this.counters.sentBytes += bytes.length
    this.socket.send(bytes, to.port, to.host, this.onSent)
  }

  private readonly onSent = (error: Error | null): void => {
    if (error !== null) this.counters.droppedSendError++
  }

  private remove(held: VisitorFlow): void {
    held.unwatch()
    this.flows.delete(held.key)
    this.unproved.delete(held)
    this.visitors.leave(held.visitor.host)
  }
}

class VisitorFlow {
  /** As the socket reports it: replies go nowhere else. */
  readonly visitor: Address
  readonly source: string
  flow!: Flow
  /** Payloads either way, and when the last one went. */
  moved = 0
  movedAt = performance.now()
  unwatch: () => void = () => {}

  constructor(
    readonly key: string,
    from: RemoteInfo,
  ) {
    this.visitor = { host: from.address, port: from.port }
    this.source = sourceKey(plainAddress(from.address))
  }

  touch(): void {
    this.moved++
    this.movedAt = performance.now()
  }
}
