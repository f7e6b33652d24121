// What reaches the system when a socket's writes are gathered: how many calls, when, in which order.

import { Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { gatherWrites } from '../../src/proxy/gather.js'

const piece = (bytes: number, fill: number) => Buffer.alloc(bytes, fill)

/** A socket that takes everything; each call as the first bytes of its pieces and their length together. */
function socket() {
  const calls: { firsts: number[]; bytes: number }[] = []
  const take = (chunks: readonly Buffer[], done: () => void) => {
    calls.push({ firsts: chunks.map((chunk) => chunk[0] ?? -1), bytes: Buffer.concat(chunks).length })
    done()
  }
  const to = new Writable({
    highWaterMark: 256 * 1024,
    write: (chunk: Buffer, _encoding, done) => take([chunk], done),
    writev: (chunks, done) =>
      take(
        chunks.map(({ chunk }) => chunk),
        done,
      ),
  })
  return { to, calls, write: gatherWrites(to) }
}

test('large pieces go together, 64 KiB at a time, the rest at the end of the turn', async (t) => {
  const { calls, write } = socket()
  for (let index = 0; index < 6; index++) t.true(write(piece(16_384, index)))
  t.deepEqual(calls, [{ firsts: [0, 1, 2, 3], bytes: 65_536 }])
  await turn()
  t.deepEqual(calls[1], { firsts: [4, 5], bytes: 32_768 })
  write(piece(16_384, 6))
  await turn()
  t.deepEqual(calls[2], { firsts: [6], bytes: 16_384 })
})

test('what is small, or large enough alone, goes at once; behind a gathered piece it keeps its place', async (t) => {
  const { calls, write } = socket()
  write(piece(1, 0))
  write(piece(65_536, 1))
  t.is(calls.length, 2)
  write(piece(16_384, 2))
  write(piece(1, 3))
  await turn()
  t.deepEqual(calls[2], { firsts: [2, 3], bytes: 16_385 })
})

test('an end takes everything along, and a destroyed socket takes nothing more', async (t) => {
  const ended = socket()
  ended.write(piece(16_384, 0))
  ended.to.end()
  t.is(ended.calls.length, 1)
  const destroyed = socket()
  destroyed.write(piece(16_384, 0))
  destroyed.to.destroy()
  await turn()
  t.is(destroyed.calls.length, 0)
})
