import { randomBytes, randomInt } from 'node:crypto'
import test from 'ava'
import type { Piece } from '../../src/wire/datagrams.js'
import { Reassembly, split } from '../../src/wire/pieces.js'

const limits = { deadlineMs: 500, flowBytes: 256 * 1024, linkBytes: 1024 * 1024 }

function piecesOf(payload: Uint8Array, partBytes: number, flow = 1, number = 0): Piece[] {
  const parts = split(payload, partBytes)!
  return parts.map((part, index) => ({ flow, number, index, count: parts.length, part }))
}

test('parts are even, in order and within the bound', (t) => {
  for (const [size, most] of [
    [65_507, 1_189],
    [1_194, 1_193],
    [2, 1],
    [128, 2],
    [9_000, 1_100],
  ] as const) {
    const payload = randomBytes(size)
    const parts = split(payload, most)!
    const lengths = parts.map((part) => part.length)
    t.is(parts.length, Math.ceil(size / most))
    t.true(Math.max(...lengths) <= most)
    t.true(Math.max(...lengths) - Math.min(...lengths) <= 1)
    t.true(Buffer.concat(parts).equals(payload))
  }
})

test('what would take more than 64 parts is not split', (t) => {
  t.is(split(Buffer.alloc(65), 1), undefined)
  t.is(split(Buffer.alloc(65_507), 1_023), undefined)
  t.is(split(Buffer.alloc(10), 0), undefined)
  t.is(split(Buffer.alloc(10), -5), undefined)
})

test('pieces in any order, with copies among them, make the payload once', (t) => {
  for (let round = 0; round < 200; round++) {
    const payload = randomBytes(randomInt(2_000, 65_508))
    const pieces = piecesOf(payload, 1_100)
    const copies = pieces.filter(() => randomInt(3) === 0)
    const last = pieces.splice(randomInt(pieces.length), 1)
    const shuffled = [...pieces, ...copies.filter((copy) => copy !== last[0])].sort(() => randomInt(3) - 1)
    const reassembly = new Reassembly(limits)
    for (const piece of shuffled) t.is(reassembly.take(piece, 0), undefined)
    t.true(Buffer.from(reassembly.take(last[0]!, 499)!).equals(payload))
    t.is(reassembly.size, 0)
  }
})

test('payloads of several flows and numbers come together apart', (t) => {
  const reassembly = new Reassembly(limits)
  const payloads = new Map<Piece[], Buffer>()
  for (const flow of [1, 2]) {
    for (const number of [0, 1, 65_535]) {
      const payload = randomBytes(3_000)
      payloads.set(piecesOf(payload, 1_000, flow, number), payload)
    }
  }
  const whole: string[] = []
  for (let index = 0; index < 3; index++) {
    for (const pieces of payloads.keys()) {
      const done = reassembly.take(pieces[index]!, 0)
      if (done !== undefined) whole.push(Buffer.from(done).toString('hex'))
    }
  }
  t.deepEqual(
    whole,
    [...payloads.values()].map((payload) => payload.toString('hex')),
  )
})

test('what is not whole in time is dropped and counted', (t) => {
  const reassembly = new Reassembly(limits)
  const [first, second] = piecesOf(randomBytes(2_000), 1_000)
  reassembly.take(first!, 0)
  t.is(reassembly.take(second!, 500), undefined)
  t.is(reassembly.expired, 1)
  reassembly.expire(1_000)
  t.is(reassembly.expired, 2)
  t.is(reassembly.size, 0)
})

test('a flow that holds too much loses its oldest payload, no other flow does', (t) => {
  const reassembly = new Reassembly(limits)
  const other = piecesOf(randomBytes(2_000), 1_000, 2)
  reassembly.take(other[0]!, 0)
  const numbers = Array.from({ length: 5 }, (_, number) => piecesOf(randomBytes(65_000), 1_100, 1, number))
  for (const pieces of numbers) for (const piece of pieces.slice(1)) reassembly.take(piece, 1)
  t.is(reassembly.evicted, 1)
  t.is(reassembly.take(numbers[0]![0]!, 2), undefined)
  t.truthy(reassembly.take(numbers[4]![0]!, 2))
  t.truthy(reassembly.take(other[1]!, 2))
})

test('a peer that never finishes anything holds no more than the bound', (t) => {
  const reassembly = new Reassembly(limits)
  for (let i = 0; i < 20_000; i++) {
    reassembly.take(
      { flow: i % 50, number: i & 0xffff, index: 0, count: 64, part: Buffer.alloc(i % 3 === 0 ? 0 : 1_100) },
      1,
    )
  }
  t.true(reassembly.size * 512 <= limits.linkBytes)
  t.true(reassembly.evicted > 18_000)
})

test('pieces that contradict each other are refused', (t) => {
  const reassembly = new Reassembly(limits)
  const part = Buffer.alloc(40_000)
  reassembly.take({ flow: 1, number: 1, index: 0, count: 3, part }, 0)
  reassembly.take({ flow: 1, number: 1, index: 1, count: 2, part }, 0)
  reassembly.take({ flow: 1, number: 1, index: 0, count: 3, part }, 0)
  reassembly.take({ flow: 1, number: 1, index: 1, count: 3, part }, 0)
  t.is(reassembly.refused, 3)
})

test('a closed flow leaves nothing', (t) => {
  const reassembly = new Reassembly(limits)
  for (let number = 0; number < 3; number++) reassembly.take(piecesOf(randomBytes(2_000), 1_000, 1, number)[0]!, 0)
  reassembly.forget(1)
  reassembly.forget(2)
  t.is(reassembly.size, 0)
  t.is(reassembly.expired + reassembly.evicted, 0)
})
