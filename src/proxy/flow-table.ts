// The flows that one carrier carries, by number; the same on both ends of a link. Only the server opens flows.

import { limits } from '../base/limits.js'
import type { FlowMessage } from '../wire/datagrams.js'
import { encodeHeader, type StreamHeader } from '../wire/headers.js'
import type { Carrier, CarrierEvents, FlowCounters } from './carrier.js'
import type { Flow, FlowEvents } from './proxy.js'

/** Takes a flow that the peer opens; undefined refuses it. */
export type AcceptFlow = (header: StreamHeader, flow: Flow) => FlowEvents | undefined

export class FlowTable implements CarrierEvents {
  private readonly flows = new Map<number, OpenFlow>()

  /** accept: left out where the peer may open none. */
  constructor(
    private readonly carrier: Carrier,
    private readonly counters: FlowCounters,
    private readonly accept?: AcceptFlow,
  ) {}

  get size(): number {
    return this.flows.size
  }

  open(header: StreamHeader, events: FlowEvents): Flow {
    const flow = new OpenFlow(header.streamId, this.carrier, this.counters, this.flows)
    flow.opening = encodeHeader(header)
    flow.events = events
    this.flows.set(header.streamId, flow)
    this.counters.opened++
    return flow
  }

  knows(flow: number): boolean {
    return this.flows.has(flow)
  }

  receive(message: Exclude<FlowMessage, { type: 'piece' }>): void {
    if (message.type === 'open') {
      this.take(message.header)
      return
    }
    const flow = this.flows.get(message.flow)
    if (message.type === 'close') {
      flow?.end()
    } else if (flow !== undefined) {
      // Whatever the peer says of a flow shows that it knows it.
      flow.opening = undefined
      if (message.type === 'data') {
        this.counters.received++
        flow.events?.payload(message.payload)
      }
    } else if (message.type === 'data') {
      // A close that was lost, or one that crossed this payload: saying it again ends the flow there too.
      this.counters.droppedUnknownFlow++
      this.carrier.sendClose(message.flow)
    }
  }

  ended(): void {
    for (const flow of [...this.flows.values()]) flow.end()
  }

  private take(header: StreamHeader): void {
    const id = header.streamId
    if (this.flows.has(id)) {
      this.carrier.sendOpened(id)
      return
    }
    if (this.accept === undefined) {
      this.counters.droppedMalformed++
      return
    }
    const flow = new OpenFlow(id, this.carrier, this.counters, this.flows)
    flow.events = this.flows.size < limits.proxy.flowsPerLink ? this.accept(header, flow) : undefined
    if (flow.events === undefined) {
      this.counters.refused++
      this.carrier.sendClose(id)
      return
    }
    this.flows.set(id, flow)
    this.counters.opened++
    this.carrier.sendOpened(id)
  }
}

class OpenFlow implements Flow {
  /** The encoded header, until the peer has shown that it knows the flow: a datagram that carries it may be lost. */
  opening: Uint8Array | undefined
  events: FlowEvents | undefined
  private isOpen = true

  constructor(
    private readonly id: number,
    private readonly carrier: Carrier,
    private readonly counters: FlowCounters,
    private readonly flows: Map<number, OpenFlow>,
  ) {}

  send(payload: Uint8Array): void {
    if (!this.isOpen) return
    this.counters.sent++
    this.carrier.send(this.id, payload, this.opening)
  }

  close(): void {
    if (!this.isOpen) return
    this.carrier.sendClose(this.id)
    this.leave()
  }

  /** The peer closed it, or the carrier ended. */
  end(): void {
    if (!this.isOpen) return
    this.leave()
    this.events?.closed()
  }

  private leave(): void {
    this.isOpen = false
    this.flows.delete(this.id)
    this.carrier.forget(this.id)
  }
}
