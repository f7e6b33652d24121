// Flows in the datagrams of a link: unordered, never sent again. A payload that does not fit is split.

import { limits } from '../base/limits.js'
import type { Datagrams } from '../transport/transport.js'
import {
  dataHeaderBytes,
  decodeFlowMessage,
  encodeClose,
  encodeData,
  encodeOpened,
  encodePiece,
  type FlowMessage,
  pieceHeaderBytes,
} from '../wire/datagrams.js'
import { Reassembly, split } from '../wire/pieces.js'
import type { Carrier, CarrierEvents, FlowCounters } from './carrier.js'

export class DatagramCarrier implements Carrier {
  private readonly reassembly = new Reassembly(limits.proxy.reassembly)
  private nextNumber = 0
  private expiry: NodeJS.Timeout | undefined
  private isEnded = false

  constructor(
    private readonly datagrams: Datagrams,
    private readonly counters: FlowCounters,
  ) {}

  /** Reads until the link ends; it is the one reader of the link's datagrams. */
  async run(events: CarrierEvents): Promise<void> {
    for await (const batch of this.datagrams) {
      if (this.isEnded) break
      for (const bytes of batch) this.take(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), events)
    }
    this.end()
    events.ended()
  }

  send(flow: number, payload: Uint8Array, opening?: Uint8Array): void {
    const room = this.datagrams.maxBytes - (opening?.length ?? 0)
    if (dataHeaderBytes + payload.length <= room) {
      if (!this.datagrams.send(encodeData(flow, payload, opening))) this.counters.droppedQueueFull++
      return
    }
    const parts = split(payload, room - pieceHeaderBytes)
    if (parts === undefined) {
      this.counters.droppedTooLarge++
      return
    }
    const number = this.nextNumber
    this.nextNumber = (number + 1) & 0xffff
    const all = parts.every((part, index) =>
      this.datagrams.send(encodePiece({ flow, number, index, count: parts.length, part }, opening)),
    )
    if (!all) this.counters.droppedQueueFull++
  }

  sendOpened(flow: number): void {
    this.datagrams.send(encodeOpened(flow))
  }

  sendClose(flow: number): void {
    this.datagrams.send(encodeClose(flow))
  }

  forget(flow: number): void {
    this.reassembly.forget(flow)
  }

  end(): void {
    this.isEnded = true
    clearTimeout(this.expiry)
  }

  /** Takes the messages of one datagram, whose buffer is ours. What breaks the protocol is dropped with the rest of
   *  its datagram: anything may come out of order, nothing ends the link. */
  private take(bytes: Buffer, events: CarrierEvents): void {
    try {
      for (let at = 0; at < bytes.length; ) {
        const decoded = decodeFlowMessage(bytes, at)
        if (decoded === undefined) {
          this.counters.droppedMalformed++
          return
        }
        this.receive(decoded.message, events)
        at = decoded.next
      }
    } catch {
      this.counters.droppedMalformed++
    }
  }

  private receive(message: FlowMessage, events: CarrierEvents): void {
    if (message.type !== 'piece') {
      events.receive(message)
      return
    }
    const { flow } = message
    // Nothing is kept for a flow that is not open; as data it gets the answer of one.
    const payload = events.knows(flow) ? this.reassembly.take(message, performance.now()) : message.part
    this.countUnfinished()
    if (payload !== undefined) events.receive({ type: 'data', flow, payload })
  }

  private countUnfinished(): void {
    const { expired, evicted } = this.reassembly
    this.counters.droppedUnfinished = expired + evicted
    if (this.reassembly.size === 0 || this.expiry !== undefined) return
    this.expiry = setTimeout(() => {
      this.expiry = undefined
      this.reassembly.expire(performance.now())
      this.countUnfinished()
    }, limits.proxy.reassembly.deadlineMs).unref()
  }
}
