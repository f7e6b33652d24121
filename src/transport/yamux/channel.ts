// What the session knows of one stream: flags due, bytes to send, windows. State only; session.ts changes it.

import { ByteQueue } from '../../base/bytes.js'
import { initialWindowBytes } from './frame.js'
import { ReceiveWindow } from './window.js'

/** What a stream's user hears. Called inside receive() and transmit(); may call the session back. */
export interface ChannelSink {
  /** The bytes are the sink's; it says take() for them when its reader has them. */
  onData(piece: Uint8Array): void
  /** All bytes have come. */
  onFin(): void
  /** The peer ended both directions. */
  onReset(code: number): void
  /** We ended both directions because too much waits unread on this link. */
  onShed(): void
  /** Less than a frame of what was given to send() is left: give more. May be called again and again. */
  onDrained(): void
  /** Our FIN is in a frame. */
  onFinished(): void
}

export class Channel {
  sink!: ChannelSink
  readonly window = new ReceiveWindow()
  /** Bytes to send that are in no frame yet. */
  readonly pending = new ByteQueue()
  sendWindowBytes = initialWindowBytes
  /** Bytes put into frames, and of these what the peer says its reader took. */
  sentBytes = 0
  acknowledgedBytes = 0

  synDue: boolean
  ackDue = false
  reportDue = false
  finDue = false
  finSent = false
  finReceived = false
  /** FIN came in the header of a data frame whose payload is not all here yet. */
  finAfterPayload = false
  /** Opened by us and not accepted by the peer yet. */
  unaccepted: boolean
  /** Neither side sends on it any more: both FINs, a reset, or the link's end. */
  closed = false

  /** Places in the session's two queues, so that a channel stands in each at most once. */
  urgent = false
  ready = false
  /** Taken bytes wait for the next acknowledgement. */
  lazy = false

  constructor(
    readonly id: number,
    readonly ours: boolean,
  ) {
    this.synDue = ours
    this.unaccepted = ours
  }

  get sendable(): boolean {
    return this.pending.length > 0 && this.sendWindowBytes > 0
  }
}
