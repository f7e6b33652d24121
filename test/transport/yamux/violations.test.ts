// What a peer must not send: each case ends the session with protocol_violation and nothing else. Then random bytes,
// random cuts, and bounds on what a flood may leave behind.

import test from 'ava'
import { isPetrelError } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { pattern, seeded } from '../../support/stream-ends.js'
import { End, endPair, frame, type Recorder } from '../../support/yamux-ends.js'

const open1 = frame('00 01 0001 00000001 00000000')
const flood = limits.yamux.flood.authenticated
const times = (count: number, bytes: Buffer) => Buffer.concat(Array.from({ length: count }, () => bytes))

const violations: [string, Buffer][] = [
  ['version 1', frame('01 00 0000 00000001 00000000')],
  ['frame type 4', frame('00 04 0000 00000000 00000000')],
  ['data for stream 0', frame('00 00 0000 00000000 00000005')],
  ['a window update for stream 0', frame('00 01 0000 00000000 00000005')],
  ['opening an even stream as dialler', frame('00 01 0001 00000002 00000000')],
  ['opening a stream twice', times(2, open1)],
  ['data beyond the window', Buffer.concat([open1, frame('00 00 0000 00000001 00040001', pattern(0x40001))])],
  [
    'data after FIN',
    Buffer.concat([open1, frame('00 01 0004 00000001 00000000'), frame('00 00 0000 00000001 00000001', pattern(1))]),
  ],
  ['two FINs', Buffer.concat([open1, times(2, frame('00 01 0004 00000001 00000000'))])],
  ['a window beyond 32 bits', Buffer.concat([open1, times(2, frame('00 01 0000 00000001 ffffffff'))])],
  ['pings faster than answers leave', times(limits.yamux.queuedPongs + 1, frame('00 02 0001 00000000 00000000'))],
  ['a flood of answers to pings', times(flood.pings + 1, frame('00 02 0002 00000000 00000000'))],
  ['a flood of empty data', times(flood.empties + 1, frame('00 00 0000 00000001 00000000'))],
  ['a flood of empty updates', times(flood.empties + 1, frame('00 01 0000 00000001 00000000'))],
  ['a flood of updates', times(flood.updates + 1, frame('00 01 0000 00000001 00000001'))],
  [
    'a flood of openings and resets',
    times(flood.opens + 1, Buffer.concat([open1, frame('00 01 0008 00000001 00000000')])),
  ],
]

for (const [name, bytes] of violations) {
  test(`${name} ends the session as a violation`, (t) => {
    const listener = new End('listener')
    listener.flush(0)
    t.throws(() => listener.session.receive(bytes, 0), { code: 'protocol_violation', message: /^yamux: / })
  })
}

test('streams that come faster than refusals leave are a violation', (t) => {
  const listener = new End('listener')
  listener.refuse = true
  const openMany = (count: number) => {
    for (let id = 1; id < 2 * count; id += 2) {
      const bytes = Buffer.from(open1)
      bytes.writeUInt32BE(id, 4)
      listener.session.receive(bytes, 0)
    }
  }
  openMany(limits.yamux.queuedResets)
  t.throws(() => openMany(1), { code: 'protocol_violation' })
})

test('a stranger is held to tighter bounds', (t) => {
  const listener = new End('listener', { limits: limits.link.stranger, stranger: true })
  const refusals = limits.yamux.flood.stranger.opens + 1
  t.throws(
    () => {
      for (let id = 1; id <= 2 * refusals; id += 2) {
        const bytes = Buffer.from(open1)
        bytes.writeUInt32BE(id, 4)
        listener.session.receive(bytes, 0)
      }
    },
    { message: /opens in a second/ },
  )
})

test('frames to streams that never were change nothing', (t) => {
  const listener = new End('listener')
  listener.flush(0)
  listener.session.receive(frame('00 00 0000 00000009 00000003', pattern(3)), 0)
  listener.session.receive(frame('00 01 0004 00000009 00000003'), 0)
  listener.session.receive(frame('00 01 0008 00000008 00000003'), 0)
  t.is(listener.session.openStreams, 0)
  t.is(listener.flush().length, 0)
})

/** Random operations on both ends; what crosses is cut at random. Returns what each stream should have carried. */
function converse(seed: number, cut: boolean): string[] {
  const random = seeded(seed)
  const pick = (most: number) => Math.floor(random() * most)
  const [dialer, listener] = endPair()
  const streams: { from: End; mine: Recorder; sent: Buffer[]; ended: boolean }[] = []
  const cutter = seeded(seed + 1)
  const carry = (from: End, to: End) => {
    for (let bytes = from.flush(); bytes.length > 0; bytes = from.flush()) {
      while (bytes.length > 0) {
        const size = cut ? 1 + Math.floor(cutter() ** 4 * bytes.length) : bytes.length
        to.session.receive(bytes.subarray(0, size), 0)
        bytes = bytes.subarray(size)
      }
    }
  }
  for (let step = 0; step < 300; step++) {
    const chosen = streams[pick(streams.length)]
    const action = pick(10)
    if (chosen === undefined || action < 2) {
      const from = random() < 0.5 ? dialer : listener
      streams.push({ from, mine: from.open(), sent: [], ended: false })
    } else if (action < 8 && !chosen.ended) {
      const piece = pattern(pick(40_000), step)
      chosen.sent.push(piece)
      chosen.from.send(chosen.mine, piece)
    } else if (!chosen.ended) {
      chosen.ended = true
      chosen.from.session.finish(chosen.mine.channel)
    }
    if (random() < 0.3) carry(dialer, listener)
    if (random() < 0.3) carry(listener, dialer)
    if (random() < 0.05) listener.session.acknowledge()
  }
  for (let round = 0; round < 50; round++) {
    carry(dialer, listener)
    carry(listener, dialer)
  }
  return streams.map(({ from, mine, sent, ended }) => {
    const far = (from === dialer ? listener : dialer).accepted.find(({ channel }) => channel.id === mine.channel.id)
    const equal = Buffer.concat(sent).equals(far?.bytes ?? Buffer.alloc(0))
    return `${mine.channel.id} ${equal} ${far?.fin === ended}`
  })
}

test('any cut of the bytes gives the same streams, whole and in order', (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const results = converse(seed, true)
    t.deepEqual(results, converse(seed, false), `seed ${seed}`)
    t.true(
      results.every((result) => result.endsWith('true true')),
      `seed ${seed}`,
    )
  }
})

/** A frame whose fields are likely to be nearly right. */
function randomFrame(random: () => number): Buffer {
  const pick = <T>(...from: T[]): T => from[Math.floor(random() * from.length)]!
  const header = Buffer.alloc(12)
  header[0] = random() < 0.001 ? 1 : 0
  header[1] = random() < 0.001 ? 9 : pick(0, 0, 1, 1, 1, 2, 3)
  header.writeUInt16BE(pick(0, 0, 0, 1, 1, 2, 4, 8, 16, 3, 5, 9, 0xffff), 2)
  header.writeUInt32BE(header[1]! >= 2 ? 0 : pick(1, 3, 5, 7, 9, 2, 4, 0, 11, 13, 0xffff_ffff), 4)
  const length = pick(0, 1, 100, 16_384, 300_000, 0xffff_ffff)
  header.writeUInt32BE(length, 8)
  const payload = header[1] === 0 ? Math.min(length, 20_000) : 0
  return Buffer.concat([header, Buffer.alloc(payload)])
}

test('random frames and bytes throw nothing but violations and never grow the session', (t) => {
  const credit = 1024 * 1024
  let ends = 0
  for (let seed = 1; seed <= 2000; seed++) {
    const random = seeded(seed)
    const end = new End(seed % 2 === 0 ? 'dialer' : 'listener', {
      limits: { streams: 4, creditBytes: credit, datagramBytes: 0 },
    })
    try {
      for (let step = 0; step < 60; step++) {
        const bytes = random() < 0.02 ? pattern(30, step) : randomFrame(random)
        end.session.receive(bytes, step)
        for (const recorder of end.accepted) recorder.hold = random() < 0.7
        if (random() < 0.3) end.flush(step)
        if (end.session.openStreams > 4) t.fail(`seed ${seed}: ${end.session.openStreams} streams`)
        if (end.session.unreadBytes > credit) t.fail(`seed ${seed}: ${end.session.unreadBytes} bytes`)
      }
    } catch (error) {
      ends++
      if (!isPetrelError(error, 'protocol_violation')) throw new Error(`seed ${seed}`, { cause: error })
    }
  }
  t.true(ends > 0)
  t.log(`seeds 1 to 2000, ${ends} ended by a violation`)
})
