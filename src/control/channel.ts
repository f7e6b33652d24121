// The control stream: messages out, messages in. Not what they mean: server/session.ts and client/session.ts.

import { PetrelError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Stream } from '../transport/transport.js'
import { decodeHello, decodeMessage, encodeHello, encodeMessage } from '../wire/codec.js'
import { Framer } from '../wire/framer.js'
import type { Hello, Message } from '../wire/messages.js'

export class ControlChannel {
  readonly #stream: Stream
  readonly #frames: AsyncGenerator<Buffer, void, undefined>

  /** The listener's half expects the magic first. The channel owns the stream from here. */
  constructor(stream: Stream, half: 'dialer' | 'listener') {
    this.#stream = stream
    stream.on('error', () => {}) // the reader of frames hears it; a write that fails shows there too
    this.#frames = frames(stream, half === 'listener')
  }

  /** Queued, never waited for, never throws: timers call it. When the peer has not read for a long time the stream is
   *  ended, and receive() rejects with limit_exceeded. */
  send(message: Message): void {
    this.#write(encodeMessage(message))
  }

  sendHello(hello: Hello): void {
    this.#write(encodeHello(hello))
  }

  /** Sends, and then FIN: the last word. */
  sendLast(message: Message): void {
    if (this.#stream.writable) this.#stream.end(encodeMessage(message))
  }

  async hello(): Promise<Hello> {
    return decodeHello(await this.#next())
  }

  /** The next message. Rejects with link_lost (the stream or link ended), protocol_violation or
   *  limit_exceeded (see send). One call at a time. */
  async receive(): Promise<Message> {
    return decodeMessage(await this.#next())
  }

  async #next(): Promise<Buffer> {
    const { value } = await this.#frames.next()
    if (value === undefined) throw new PetrelError('link_lost', 'peer', 'the peer ended the control stream')
    return value
  }

  #write(bytes: Buffer): void {
    if (this.#stream.writableLength > limits.control.queueBytes) {
      this.#stream.destroy(new PetrelError('limit_exceeded', 'peer', 'the peer does not read its control stream'))
    }
    if (this.#stream.writable) this.#stream.write(bytes)
  }
}

async function* frames(stream: Stream, startsWithMagic: boolean): AsyncGenerator<Buffer, void, undefined> {
  const framer = new Framer(limits.control.messageBytes, startsWithMagic)
  for await (const chunk of stream) yield* framer.push(chunk as Buffer)
  if (!framer.isEmpty) throw new PetrelError('protocol_violation', 'peer', 'the control stream ended inside a message')
}
