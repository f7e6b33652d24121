// Reads the header of a data stream from the stream itself, whatever cut the bytes come in, and gives back the rest.

import { PetrelError, StreamReset } from '../base/errors.js'
import type { Stream } from '../transport/transport.js'
import { decodeHeader, type StreamHeader } from '../wire/headers.js'

export interface HeaderDeadline {
  readonly deadlineMs: number
  readonly signal?: AbortSignal
}

/** Resolves with the header; the bytes after it are in the stream again and nobody reads it. Rejects with
 *  protocol_violation, timeout, aborted or the stream's own error; the stream has been reset then. From here on an
 *  'error' of this stream never goes unheard. A header has at most maxHeaderBytes, so a peer cannot make this grow. */
export async function readStreamHeader(stream: Stream, deadline: HeaderDeadline): Promise<StreamHeader> {
  stream.on('error', heard)
  try {
    const taker = new HeaderTaker(stream)
    // Mostly the header is there with the stream: then no listener and no timer is made.
    return taker.take() ?? (await waitForHeader(stream, taker, deadline))
  } catch (error) {
    stream.reset(
      error instanceof PetrelError && error.code === 'aborted' ? StreamReset.cancelled : StreamReset.protocol,
    )
    throw error
  }
}

function heard(): void {}

class HeaderTaker {
  private bytes: Buffer = Buffer.alloc(0)

  constructor(private readonly stream: Stream) {}

  /** The header once it is whole. Bytes of half a header stay here: put back, they would wake us at once, for ever. */
  take(): StreamHeader | undefined {
    const chunk = this.stream.read() as Buffer | null
    if (chunk === null) return undefined
    this.bytes = this.bytes.length === 0 ? chunk : Buffer.concat([this.bytes, chunk])
    const decoded = decodeHeader(this.bytes)
    if (decoded === undefined) return undefined
    const rest = this.bytes.subarray(decoded.length)
    if (rest.length > 0) this.stream.unshift(rest)
    return decoded.header
  }
}

function waitForHeader(stream: Stream, taker: HeaderTaker, wait: HeaderDeadline): Promise<StreamHeader> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: StreamHeader | Error): void => {
      clearTimeout(timer)
      stream.off('readable', onReadable).off('end', onEnd).off('error', settle).off('close', onEnd)
      wait.signal?.removeEventListener('abort', onAbort)
      if (outcome instanceof Error) reject(outcome)
      else resolve(outcome)
    }
    const onReadable = (): void => {
      try {
        const header = taker.take()
        if (header !== undefined) settle(header)
      } catch (error) {
        settle(error as Error)
      }
    }
    const onEnd = (): void => settle(endedEarly())
    const onAbort = (): void => settle(new PetrelError('aborted', 'us', 'waiting for a stream header was aborted'))
    const timer = setTimeout(() => {
      settle(new PetrelError('timeout', 'peer', `no stream header within ${wait.deadlineMs} ms`))
    }, wait.deadlineMs)
    stream.on('readable', onReadable).on('end', onEnd).on('error', settle).on('close', onEnd)
    wait.signal?.addEventListener('abort', onAbort)
    if (wait.signal?.aborted) onAbort()
    else if (stream.destroyed || stream.readableEnded) settle(stream.errored ?? endedEarly())
  })
}

const endedEarly = (): PetrelError =>
  new PetrelError('protocol_violation', 'peer', 'the stream ended before its header was whole')
