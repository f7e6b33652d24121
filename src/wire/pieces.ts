// Payloads larger than a datagram: split evenly, put together again from whatever arrives, in bounded memory. Pure:
// time comes in.

import { maxPayloadBytes, maxPieces, type Piece } from './datagrams.js'

export interface ReassemblyLimits {
  /** A payload that is not whole after so long is dropped. */
  readonly deadlineMs: number
  /** Unfinished bytes that one flow, and all flows together, may hold; the oldest payload makes room. */
  readonly flowBytes: number
  readonly linkBytes: number
}

/** Cuts a payload into parts of at most partBytes that differ by one byte at most: a last small one would be lost as
 *  easily as a large one. undefined: more than 64 would be needed. */
export function split(payload: Uint8Array, partBytes: number): Uint8Array[] | undefined {
  const count = Math.ceil(payload.length / partBytes)
  if (!(partBytes > 0) || count > maxPieces) return undefined
  const cut = (index: number): number => Math.floor((index * payload.length) / count)
  return Array.from({ length: count }, (_, index) => payload.subarray(cut(index), cut(index + 1)))
}

/** Puts the pieces of all flows of one link together. */
export class Reassembly {
  /** Unfinished payloads dropped: past their deadline, or to make room. */
  expired = 0
  evicted = 0
  /** Pieces that contradict those before them, or came twice. */
  refused = 0
  private bytes = 0
  /** In the order in which their first pieces came, so the first is the oldest. */
  private readonly all = new Set<Unfinished>()
  private readonly flows = new Map<number, FlowPieces>()

  constructor(private readonly limits: ReassemblyLimits) {}

  /** Unfinished payloads at this moment. */
  get size(): number {
    return this.all.size
  }

  /** Takes a piece, copied; returns the payload that it completes. `now` in ms never goes back. */
  take(piece: Piece, now: number): Uint8Array | undefined {
    this.expire(now)
    const unfinished = this.flows.get(piece.flow)?.byNumber.get(piece.number) ?? this.begin(piece, now)
    const isNew = unfinished.count === piece.count && unfinished.parts[piece.index] === undefined
    if (!isNew || unfinished.length + piece.part.length > maxPayloadBytes) {
      this.refused++
      return undefined
    }
    if (!this.makeRoom(unfinished, piece.part.length)) return undefined
    unfinished.parts[piece.index] = Uint8Array.prototype.slice.call(piece.part)
    unfinished.length += piece.part.length
    unfinished.missing--
    this.account(unfinished, piece.part.length)
    if (unfinished.missing > 0) return undefined
    this.remove(unfinished)
    return Buffer.concat(unfinished.parts as Uint8Array[], unfinished.length)
  }

  /** Drops what has passed its deadline. */
  expire(now: number): void {
    for (const unfinished of this.all) {
      if (now < unfinished.deadline) return
      this.remove(unfinished)
      this.expired++
    }
  }

  /** Forgets a flow that has been closed. */
  forget(flow: number): void {
    for (const unfinished of this.flows.get(flow)?.byNumber.values() ?? []) this.remove(unfinished)
  }

  private begin({ flow, number, count }: Piece, now: number): Unfinished {
    const parts = new Array<Uint8Array | undefined>(count).fill(undefined)
    const deadline = now + this.limits.deadlineMs
    const unfinished: Unfinished = { flow, number, count, deadline, parts, missing: count, length: 0, cost: 0 }
    this.all.add(unfinished)
    const pieces = this.flows.get(flow) ?? { byNumber: new Map(), bytes: 0 }
    pieces.byNumber.set(number, unfinished)
    this.flows.set(flow, pieces)
    this.account(unfinished, unfinishedBytes)
    return unfinished
  }

  /** Evicts the oldest others, of the flow and then of the link. False when the payload itself had to go. */
  private makeRoom(wanted: Unfinished, bytes: number): boolean {
    const flow = this.flows.get(wanted.flow)!
    while (flow.bytes + bytes > this.limits.flowBytes) {
      if (!this.evict(flow.byNumber.values().next().value!, wanted)) return false
    }
    while (this.bytes + bytes > this.limits.linkBytes) {
      if (!this.evict(this.all.values().next().value!, wanted)) return false
    }
    return true
  }

  private evict(oldest: Unfinished, wanted: Unfinished): boolean {
    this.remove(oldest)
    this.evicted++
    return oldest !== wanted
  }

  private remove(unfinished: Unfinished): void {
    this.account(unfinished, -unfinished.cost)
    this.all.delete(unfinished)
    const pieces = this.flows.get(unfinished.flow)!
    pieces.byNumber.delete(unfinished.number)
    if (pieces.byNumber.size === 0) this.flows.delete(unfinished.flow)
  }

  private account(unfinished: Unfinished, bytes: number): void {
    unfinished.cost += bytes
    this.flows.get(unfinished.flow)!.bytes += bytes
    this.bytes += bytes
  }
}

/** What an unfinished payload costs before it has any bytes, so that empty pieces are not free. */
const unfinishedBytes = 512

interface Unfinished {
  readonly flow: number
  readonly number: number
  readonly count: number
  readonly deadline: number
  readonly parts: (Uint8Array | undefined)[]
  missing: number
  length: number
  cost: number
}

interface FlowPieces {
  readonly byNumber: Map<number, Unfinished>
  bytes: number
}
