// Flows on one ordered stream, for links without datagrams. Latest wins: payloads wait in a bounded queue for at most
// the deadline, and none is written while the stream is late, for an old payload is worth less than a new one.

import { PetrelError, StreamReset } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { Fifo } from '../base/queue.js'
import type { Stream } from '../transport/transport.js'
import { decodeFlowMessage, encodeClose, encodeData, flowMessageBytes } from '../wire/datagrams.js'
import type { Carrier, CarrierEvents, FlowCounters } from './carrier.js'
import { InFlight } from './in-flight.js'

interface Waiting {
  readonly flow: number
  readonly bytes: Buffer
  readonly opening: Uint8Array | undefined
  readonly since: number
}

export class StreamCarrier implements Carrier {
  private readonly queue = new Fifo<Waiting>()
  private queuedBytes = 0
  /** Flows whose opening has been written, and those whose close has not. */
  private readonly written = new Set<number>()
  private readonly closing = new Set<number>()
  private stream: Stream | undefined
  private events: CarrierEvents | undefined
  private inFlight = new InFlight(0)
  /** Bytes of a message that is not whole, and how many the next step needs: a peer that sends single bytes must not
   *  have a long payload copied for each. */
  private received: Buffer[] = []
  private receivedBytes = 0
  private wantedBytes = 1
  private isWriting = false
  private isEnded = false
  private retry: NodeJS.Timeout | undefined

  constructor(private readonly counters: FlowCounters) {}

  /** Begins on a stream whose header has been written or read. writtenBytes: what was written to it here. */
  start(stream: Stream, writtenBytes: number, events: CarrierEvents): void {
    if (this.isEnded) {
      stream.reset(StreamReset.cancelled)
      return
    }
    this.stream = stream
    this.events = events
    this.inFlight = new InFlight(writtenBytes)
    stream.on('error', () => this.end())
    stream.on('close', () => this.end())
    stream.on('end', () => this.end())
    stream.on('data', (chunk: Buffer) => this.take(chunk))
    this.flush()
  }

  send(flow: number, payload: Uint8Array, opening?: Uint8Array): void {
    if (this.isEnded) return
    const bytes = encodeData(flow, payload)
    this.queue.push({ flow, bytes, opening, since: performance.now() })
    this.queuedBytes += bytes.length
    while (this.queuedBytes > limits.proxy.flowQueueBytes && this.next() !== undefined) this.counters.droppedQueueFull++
    this.flush()
  }

  /** Nothing is lost on a stream, so there is nothing to confirm. */
  sendOpened(): void {}

  /** A close that finds no room is not missed: what else comes for its flow is answered with another. */
  sendClose(flow: number): void {
    if (this.isEnded || this.closing.size >= limits.proxy.flowCloses) return
    this.closing.add(flow)
    this.flush()
  }

  forget(flow: number): void {
    this.written.delete(flow)
  }

  end(): void {
    if (this.isEnded) return
    this.isEnded = true
    clearTimeout(this.retry)
    this.queue.clear()
    this.closing.clear()
    this.stream?.reset(StreamReset.cancelled)
    this.events?.ended()
  }

  private next(): Waiting | undefined {
    const waiting = this.queue.shift()
    this.queuedBytes -= waiting?.bytes.length ?? 0
    return waiting
  }

  /** Writes what is fresh, one batch at a time: the stream's own buffer never holds more than that. */
  private flush(): void {
    const { stream } = this
    if (stream === undefined || this.isWriting || this.isEnded || this.retry !== undefined) return
    const now = performance.now()
    if (this.inFlight.lateMs(stream.acknowledged, now) > limits.proxy.flowLateMs) {
      this.retry = setTimeout(() => {
        this.retry = undefined
        this.flush()
      }, limits.proxy.flowRetryMs).unref()
      return
    }
    const batch = this.batch(now)
    if (batch.length === 0) return
    const bytes = batch.length === 1 ? batch[0]! : Buffer.concat(batch)
    this.inFlight.wrote(bytes.length, now)
    this.isWriting = true
    stream.write(bytes, () => {
      this.isWriting = false
      this.flush()
    })
  }

  private batch(now: number): Uint8Array[] {
    const batch: Uint8Array[] = []
    for (let bytes = 0; bytes < limits.link.chunkBytes; ) {
      const waiting = this.next()
      if (waiting === undefined) break
      if (now - waiting.since > limits.proxy.flowDeadlineMs) {
        this.counters.droppedStale++
        continue
      }
      if (waiting.opening !== undefined && !this.written.has(waiting.flow)) {
        this.written.add(waiting.flow)
        batch.push(waiting.opening)
      }
      batch.push(waiting.bytes)
      bytes += waiting.bytes.length
    }
    if (this.queue.length === 0) {
      for (const flow of this.closing) batch.push(encodeClose(flow))
      this.closing.clear()
    }
    return batch
  }

  private take(chunk: Buffer): void {
    this.received.push(chunk)
    this.receivedBytes += chunk.length
    if (this.receivedBytes < this.wantedBytes) return
    const bytes = this.received.length === 1 ? chunk : Buffer.concat(this.received)
    let at = 0
    try {
      for (let decoded = decodeFlowMessage(bytes, at); decoded !== undefined; decoded = decodeFlowMessage(bytes, at)) {
        if (decoded.message.type === 'piece') throw new PetrelError('protocol_violation', 'peer', 'a piece on a stream')
        this.events?.receive(decoded.message)
        at = decoded.next
      }
    } catch {
      this.counters.droppedMalformed++
      this.stream?.reset(StreamReset.protocol)
      this.end()
    }
    const rest = bytes.subarray(at)
    this.received = [rest]
    this.receivedBytes = rest.length
    this.wantedBytes = flowMessageBytes(rest)
  }
}
