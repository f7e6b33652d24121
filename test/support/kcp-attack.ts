// What an observer and strangers throw at both ends of a link over kcp for as long as it lasts: each kind of packet that
// can be made without its keys. Nothing of it may change what the link carries.

import { randomBytes } from 'node:crypto'
import { firstPacketBytes, forgedAnswers, Type, unsealedFirst } from './kcp-packets.js'
import type { Observer } from './observer.js'

export interface Thrown {
  /** Packets by kind. */
  readonly counts: Readonly<Record<string, number>>
  stop(): void
}

export interface Strength {
  /** Packets with a guessed id in all, and in one turn. */
  readonly guesses: number
  readonly guessesATurn: number
  /** Recorded packets sent again, in all, from each of the two addresses. */
  readonly replays: number
}

const turnMs = 10
const aTurn = 8

/** Begins when something has been seen. Each turn is one of every kind. */
export function attack(observer: Observer, { guesses, guessesATurn, replays }: Strength): Thrown {
  const counts = { forged: 0, guessed: 0, replayed: 0, flipped: 0, answers: 0, first: 0 }
  let turn = 0
  const timer = setInterval(() => {
    const { up, down } = observer.seen
    const [ups, downs] = [up.at(-1), down.at(-1)]
    if (ups === undefined || downs === undefined) return
    const [server, client] = [ups.subarray(1, 9), downs.subarray(1, 9)]
    for (let n = 0; n < aTurn; n++) {
      const kind = (turn * aTurn + n) % 256
      counts.forged += 2
      observer.toServer(forged(kind, ups), n % 2 === 0 ? 'client' : 'elsewhere')
      observer.toClient(forged(kind, downs))
      counts.flipped += 2
      observer.toServer(flipped(ups, turn * aTurn + n), n % 2 === 0 ? 'client' : 'elsewhere')
      observer.toClient(flipped(downs, turn * aTurn + n))
    }
    for (let n = 0; n < guessesATurn && counts.guessed < guesses; n++, counts.guessed++) {
      const guess = Buffer.concat([Buffer.from([Type.data]), randomBytes(60)])
      guess.writeBigUInt64BE(BigInt(turn), 9)
      observer.toServer(guess, 'elsewhere')
    }
    for (let n = 0; n < aTurn * 2 && counts.replayed < replays * 2; n++, counts.replayed += 2) {
      const old = up[Math.floor(Math.random() * up.length)]!
      observer.toServer(old)
      observer.toServer(old, 'elsewhere')
      observer.toClient(down[Math.floor(Math.random() * down.length)]!)
    }
    for (const packet of forgedAnswers(client, server)) observer.toClient(packet)
    for (const packet of forgedAnswers(server, client)) observer.toServer(packet)
    for (const packet of forgedAnswers(randomBytes(8), randomBytes(8))) observer.toClient(packet)
    observer.toServer(unsealedFirst(), 'elsewhere')
    counts.answers += 12
    counts.first++
    turn++
  }, turnMs)
  return { counts, stop: () => clearInterval(timer) }
}

/** This type, the right id and a counter of its own, garbage behind. */
function forged(kind: number, like: Buffer): Buffer {
  const packet = Buffer.concat([like.subarray(0, 17), randomBytes(Math.min(firstPacketBytes, like.length + 40))])
  packet[0] = kind
  packet.writeBigUInt64BE(like.readBigUInt64BE(9) + BigInt(kind), 9)
  return packet
}

/** One bit of a real packet, each offset in turn. */
function flipped(real: Buffer, at: number): Buffer {
  const packet = Buffer.from(real)
  packet[at % packet.length]! ^= 1 << (Math.floor(at / packet.length) % 8)
  return packet
}
