// A reader that stops while megabytes are on their way over a lossy path: engines' own flow control ends the link
// here, ours must not. A few seeds in `npm test`, ten in the gates.

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { ExecutionContext, TestFn } from 'ava'
import { limits } from '../../src/base/limits.js'
import { quicTransport } from '../../src/transport/quic.js'
import type { Link, Stream } from '../../src/transport/transport.js'
import { makeCredentials } from './credentials.js'
import { lossyPath } from './lossy.js'
import { pattern } from './stream-ends.js'

const stopMs = 2_000
const bytes = 12 * 1024 * 1024

async function linkOver(t: ExecutionContext, lossPercent: number, seed: number): Promise<{ near: Link; far: Link }> {
  t.log(`seed ${seed}`)
  const credentials = await makeCredentials()
  const listener = await quicTransport().listen({ host: '127.0.0.1', port: 0 }, { credentials })
  const path = await lossyPath({ target: listener.address, rttMs: 200, lossPercent, seed })
  const accepting = listener[Symbol.asyncIterator]().next()
  const near = await quicTransport().dial(path.address, { trust: { kind: 'pin', pin: credentials.pin } })
  const far = (await accepting).value as Link
  far.raiseLimits(limits.link.authenticated)
  t.teardown(async () => {
    await Promise.all([near.close(), far.close(), listener.close()])
    path.close()
  })
  return { near, far }
}

/** Asks for a stream that brings `sent`; returns the reading end. */
async function download(near: Link, far: Link, sent: Buffer): Promise<Stream> {
  const stream = await near.open()
  stream.end('?')
  const { value } = await far[Symbol.asyncIterator]().next()
  ;(value as Stream).resume()
  ;(value as Stream).end(sent)
  return stream
}

async function readAll(stream: Stream, stopAfterFirst: boolean): Promise<Buffer> {
  const pieces: Buffer[] = []
  if (stopAfterFirst) {
    await once(stream, 'readable')
    pieces.push(stream.read(1) as Buffer)
    await delay(stopMs)
  }
  for await (const piece of stream) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

/** Declares the tests, for seeds 1 to `seeds`. They measure time: one after another. */
export function stoppedReaders(test: TestFn, seeds: number): void {
  for (const lossPercent of [0, 20]) {
    for (let seed = 1; seed <= seeds; seed++) {
      test(`a reader that stops for 2 s goes on at ${lossPercent} % loss and 200 ms, seed ${seed}`, async (t) => {
        t.timeout(120_000)
        const { near, far } = await linkOver(t, lossPercent, seed)
        const sent = pattern(bytes, seed)
        const got = await readAll(await download(near, far, sent), true)
        t.true(got.equals(sent))
      })
    }
  }

  test('two readers that stop do not hold up a third, at 20 % loss and 200 ms', async (t) => {
    t.timeout(120_000)
    const { near, far } = await linkOver(t, 20, 77)
    const sent = [1, 2, 3].map((seed) => pattern(bytes / 2, seed))
    const got = await Promise.all(sent.map(async (own, index) => readAll(await download(near, far, own), index < 2)))
    for (const [index, own] of sent.entries()) t.true(got[index]!.equals(own))
  })
}
