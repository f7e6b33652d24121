// Small things that tests of streams share: reading all, waiting for the error, seeded random bytes.

import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { isPetrelError, PetrelError } from '../../src/base/errors.js'
import type { Link, Stream } from '../../src/transport/transport.js'

/** All bytes up to the clean end; the other direction stays as it is. Rejects with the stream's error. */
export async function collect(stream: Readable): Promise<Buffer> {
  const pieces: Buffer[] = []
  stream.on('data', (piece: Buffer) => pieces.push(piece))
  if (!stream.readableEnded) await once(stream, 'end')
  return Buffer.concat(pieces)
}

/** The error that a stream ends with; a clean close is an error of the test. Reads what comes. */
export async function failure(stream: Readable): Promise<PetrelError> {
  const met =
    stream.errored ??
    (await new Promise<Error | undefined>((resolve) => {
      stream.once('error', resolve)
      stream.once('close', () => resolve(stream.errored ?? undefined))
      stream.resume()
    }))
  if (!isPetrelError(met)) throw new Error(`the stream should fail with a PetrelError, it ended with ${met}`)
  return met
}

/** The PetrelError that a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<PetrelError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof PetrelError) return error
    throw error
  }
  throw new Error('it should have been rejected')
}

export async function closedStream(stream: Readable): Promise<void> {
  if (!stream.closed) await once(stream, 'close')
}

/** The next stream that the peer opens. */
export async function accepted(link: Link): Promise<Stream> {
  const { value, done } = await link[Symbol.asyncIterator]().next()
  if (done === true) throw new Error('the link ended before a stream came')
  return value
}

/** Every stream of the link echoes until the link ends. */
export async function echoAll(link: Link): Promise<void> {
  for await (const stream of link) stream.pipe(stream)
}

/** mulberry32: small, seeded, good enough for tests. Returns numbers from 0 to 1. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Bytes that differ everywhere, so that a lost, doubled or moved piece shows. */
export function pattern(bytes: number, seed = 1): Buffer {
  const random = seeded(seed)
  const words = new Uint32Array(Math.ceil(bytes / 4))
  for (let at = 0; at < words.length; at++) words[at] = random() * 2 ** 32
  return Buffer.from(words.buffer, 0, bytes)
}
