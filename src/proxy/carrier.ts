// How the flows of one link travel: what a FlowTable asks of its carrier and the carrier of its table. Datagrams and
// one ordered stream are the two that there are.

import type { FlowMessage } from '../wire/datagrams.js'

export interface Carrier {
  /** Sends one payload, which is copied. opening: the flow's encoded header, while the peer may not know the flow. */
  send(flow: number, payload: Uint8Array, opening: Uint8Array | undefined): void
  /** Tells the peer that its opening of a flow has come. */
  sendOpened(flow: number): void
  sendClose(flow: number): void
  /** The flow is no more: lets go of what is held for it. */
  forget(flow: number): void
  /** Ends the carrier, and with it its table's flows. Idempotent. */
  end(): void
}

/** Called by the carrier. Pieces have been put together before. */
export interface CarrierEvents {
  knows(flow: number): boolean
  receive(message: Exclude<FlowMessage, { type: 'piece' }>): void
  ended(): void
}

/** Of one link's flows; payloads unless another word is said. */
export type FlowCounters = {
  opened: number
  /** Flows that we did not take: no such proxy, or too many. */
  refused: number
  sent: number
  received: number
  /** Would take more than 64 pieces on this path. */
  droppedTooLarge: number
  /** The queue was full: on datagrams the newest goes, on a stream the oldest. */
  droppedQueueFull: number
  /** Waited longer than the deadline for a stream that did not move. */
  droppedStale: number
  /** Not all pieces came in time, or others needed their room. */
  droppedUnfinished: number
  /** Datagrams that broke the protocol. */
  droppedMalformed: number
  /** For a flow that is closed or was never opened. */
  droppedUnknownFlow: number
}

export const flowCounters = (): FlowCounters => ({
  opened: 0,
  refused: 0,
  sent: 0,
  received: 0,
  droppedTooLarge: 0,
  droppedQueueFull: 0,
  droppedStale: 0,
  droppedUnfinished: 0,
  droppedMalformed: 0,
  droppedUnknownFlow: 0,
})
