// Queues: bytes keep their order and their memory small; items wait within bounds.

import test from 'ava'
import { ByteQueue } from '../../src/base/bytes.js'
import { AsyncQueue, Fifo } from '../../src/base/queue.js'
import { pattern, seeded } from '../support/stream-ends.js'

test('bytes come out as they went in, however they are taken', (t) => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seeded(seed)
    const queue = new ByteQueue()
    const sent = pattern(200_000, seed)
    const got: Uint8Array[] = []
    let at = 0
    while (at < sent.length || queue.length > 0) {
      const size = Math.ceil(random() ** 4 * 20_000)
      const piece = sent.subarray(at, at + size)
      if (random() < 0.5) queue.push(piece)
      else queue.pushCompact(piece)
      at += piece.length
      if (random() < 0.3) got.push(queue.shift() ?? Buffer.alloc(0))
      if (random() < 0.3) {
        const into = Buffer.alloc(30_000)
        got.push(into.subarray(5, 5 + queue.copyTo(into, 5, Math.floor(random() * 20_000))))
      }
    }
    t.true(Buffer.concat(got).equals(sent), `seed ${seed}`)
  }
})

test('small pieces of large buffers are not kept alive by the queue', (t) => {
  const queue = new ByteQueue()
  for (let i = 0; i < 1000; i++) queue.pushCompact(pattern(65_536, i).subarray(0, 100))
  t.is(queue.length, 100_000)
  const kept = new Set<ArrayBufferLike>()
  for (let piece = queue.shift(); piece !== undefined; piece = queue.shift()) kept.add(piece.buffer)
  const bytes = [...kept].reduce((sum, buffer) => sum + buffer.byteLength, 0)
  t.true(bytes <= 300_000, `${bytes} bytes kept for 100,000`)
})

test('a first-in first-out keeps its order over many rounds', (t) => {
  const fifo = new Fifo<number>()
  let next = 0
  for (let i = 0; i < 5_000; i++) {
    fifo.push(i)
    if (i % 3 !== 0) t.is(fifo.shift(), next++)
  }
  while (fifo.length > 0) t.is(fifo.shift(), next++)
  t.is(fifo.shift(), undefined)
})

test('a full queue refuses, an ended one ends its reader and hands back the rest', async (t) => {
  const queue = new AsyncQueue<number>(2)
  t.deepEqual([queue.push(1), queue.push(2), queue.push(3)], [true, true, false])
  const reader = queue[Symbol.asyncIterator]()
  t.is((await reader.next()).value, 1)
  t.deepEqual(queue.end(), [2])
  t.true((await reader.next()).done)
  t.false(queue.push(4))
})

test('a waiting reader gets the next item', async (t) => {
  const queue = new AsyncQueue<number>(1)
  const waiting = queue[Symbol.asyncIterator]().next()
  queue.push(7)
  t.deepEqual(await waiting, { value: 7, done: false })
})
