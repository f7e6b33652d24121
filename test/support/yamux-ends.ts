// Sessions without sockets: sinks that record, and moving bytes between two sessions by hand.

import { limits } from '../../src/base/limits.js'
import type { LinkLimits } from '../../src/transport/transport.js'
import type { Channel, ChannelSink } from '../../src/transport/yamux/channel.js'
import { Session, type SessionOptions } from '../../src/transport/yamux/session.js'

/** Keeps what the session says; reads at once unless told to hold. */
export class Recorder implements ChannelSink {
  readonly pieces: Uint8Array[] = []
  fin = false
  shed = false
  resetCode: number | undefined
  drained = 0
  finished = false
  hold = false

  constructor(
    readonly channel: Channel,
    readonly end: End,
  ) {
    channel.sink = this
  }

  get bytes(): Buffer {
    return Buffer.concat(this.pieces)
  }

  onData(piece: Uint8Array): void {
    this.pieces.push(Uint8Array.from(piece))
    if (!this.hold) this.end.session.take(this.channel, piece.length)
  }

  /** Takes what was held. */
  take(bytes = this.channel.window.unread): void {
    this.end.session.take(this.channel, bytes)
  }

  onFin(): void {
    this.fin = true
  }

  onReset(code: number): void {
    this.resetCode = code
    this.take()
  }

  onShed(): void {
    this.shed = true
    this.take()
  }

  onDrained(): void {
    this.drained++
  }

  onFinished(): void {
    this.finished = true
  }
}

/** One session with its recorders. */
export class End {
  readonly session: Session
  readonly accepted: Recorder[] = []
  goneAway: number | undefined
  wakes = 0
  refuse = false

  constructor(role: 'dialer' | 'listener', options: Partial<SessionOptions> = {}) {
    this.session = new Session({
      role,
      limits: limits.link.authenticated,
      stranger: false,
      nowMs: 0,
      events: {
        incoming: (channel) => {
          if (this.refuse) return false
          this.accepted.push(new Recorder(channel, this))
          return true
        },
        openable: () => {},
        goneAway: (code) => {
          this.goneAway = code
        },
        wake: () => {
          this.wakes++
        },
      },
      ...options,
    })
  }

  open(): Recorder {
    return new Recorder(this.session.open(), this)
  }

  send(recorder: Recorder, bytes: Uint8Array): void {
    this.session.send(recorder.channel, [bytes])
  }

  /** One transmit(), of at most `most` bytes. */
  flush(nowMs = 0, most: number = limits.yamux.flushBytes): Buffer {
    const buffer = Buffer.alloc(most)
    return buffer.subarray(0, this.session.transmit(buffer, nowMs))
  }
}

/** A dialler's and a listener's end whose first pings are out of the way. */
export function endPair(options: { limits?: LinkLimits } = {}): [End, End] {
  const pair: [End, End] = [new End('dialer', options), new End('listener', options)]
  exchange(pair[0], pair[1])
  return pair
}

/** Moves bytes both ways until neither end has any. */
export function exchange(one: End, other: End, nowMs = 0): void {
  for (;;) {
    const there = one.flush(nowMs)
    other.session.receive(there, nowMs)
    const back = other.flush(nowMs)
    one.session.receive(back, nowMs)
    if (there.length + back.length === 0) return
  }
}

/** A frame in hex, fields apart: version type flags stream length, then payload. */
export const frame = (hex: string, payload: Uint8Array = Buffer.alloc(0)): Buffer =>
  Buffer.concat([Buffer.from(hex.replaceAll(' ', ''), 'hex'), payload])
