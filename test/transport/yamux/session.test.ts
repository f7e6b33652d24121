// The yamux session alone: frames as bytes, order of sending, windows in virtual time.

import test from 'ava'
import { StreamReset } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { Flag, FrameType, initialWindowBytes } from '../../../src/transport/yamux/frame.js'
import { ReceiveWindow } from '../../../src/transport/yamux/window.js'
import { pattern } from '../../support/stream-ends.js'
import { End, endPair, exchange, frame } from '../../support/yamux-ends.js'

const mebibyte = 1024 * 1024
const firstPing = '00 02 0001 00000000 00000000'

test('a session starts with a ping, which measures the round trip', (t) => {
  const end = new End('dialer')
  t.deepEqual(end.flush(1000), frame(firstPing))
  end.session.receive(frame('00 02 0002 00000000 00000000'), 1250)
  t.is(end.session.keepAlive.rttMs, 250)
})

test('the first bytes travel with the SYN, the FIN follows on its own', (t) => {
  const [dialer] = endPair()
  const stream = dialer.open()
  dialer.send(stream, Buffer.from('hi'))
  dialer.session.finish(stream.channel)
  const expected = [frame('00 00 0001 00000001 00000002', Buffer.from('hi')), frame('00 01 0004 00000001 00000000')]
  t.deepEqual(dialer.flush(), Buffer.concat(expected))
  t.true(stream.finished)
  t.is(stream.drained, 1)
})

test('a stream without bytes is opened by a window update', (t) => {
  const [dialer, listener] = endPair()
  dialer.open()
  t.deepEqual(dialer.flush(), frame('00 01 0001 00000001 00000000'))
  listener.open()
  t.deepEqual(listener.flush(), frame('00 01 0001 00000002 00000000'))
})

test('a stream is accepted with an ACK, on its first bytes when there are any', (t) => {
  const [dialer, listener] = endPair()
  dialer.open()
  dialer.open()
  listener.session.receive(dialer.flush(), 0)
  const [first, second] = listener.accepted
  listener.session.accept(first!.channel)
  listener.session.accept(second!.channel)
  listener.send(second!, Buffer.from('yes'))
  const expected = [frame('00 01 0002 00000001 00000000'), frame('00 00 0002 00000003 00000003', Buffer.from('yes'))]
  t.deepEqual(listener.flush(), Buffer.concat(expected))
})

test('a reset carries its code in the length of a window update', (t) => {
  const [dialer, listener] = endPair()
  const stream = dialer.open()
  exchange(dialer, listener)
  dialer.session.reset(stream.channel, 0xfeed_beef)
  const bytes = dialer.flush()
  t.deepEqual(bytes, frame('00 01 0008 00000001 feedbeef'))
  listener.session.receive(bytes, 0)
  t.is(listener.accepted[0]!.resetCode, 0xfeed_beef)
})

test('a stream that is opened and reset at once leaves nothing on the wire', (t) => {
  const [dialer] = endPair()
  dialer.session.reset(dialer.open().channel, 1)
  t.is(dialer.flush().length, 0)
  t.is(dialer.session.openStreams, 0)
})

test('a FIN on a data frame counts after its payload', (t) => {
  const listener = new End('listener')
  const bytes = frame('00 00 0005 00000001 00000003', Buffer.from('end'))
  for (const byte of bytes) {
    t.false(listener.accepted[0]?.fin ?? false)
    listener.session.receive(Uint8Array.of(byte), 0)
  }
  t.is(String(listener.accepted[0]!.bytes), 'end')
  t.true(listener.accepted[0]!.fin)
})

test('bytes for a stream that we reset go nowhere', (t) => {
  const [dialer, listener] = endPair()
  const stream = dialer.open()
  dialer.send(stream, pattern(1000))
  listener.session.receive(dialer.flush(), 0)
  listener.session.reset(listener.accepted[0]!.channel, StreamReset.cancelled)
  dialer.send(stream, pattern(100_000))
  exchange(dialer, listener)
  t.is(listener.accepted[0]!.bytes.length, 1000)
  t.is(dialer.session.openStreams, 0)
})

test('a small stream has its turn after one frame of each big one', (t) => {
  const [dialer, listener] = endPair()
  const big = [dialer.open(), dialer.open(), dialer.open()]
  exchange(dialer, listener)
  for (const stream of big) dialer.send(stream, Buffer.alloc(200_000))
  const small = dialer.open()
  dialer.send(small, Buffer.from('small'))
  listener.session.receive(dialer.flush(0, 4 * limits.yamux.frameBytes), 0)
  t.is(String(listener.accepted[3]!.bytes), 'small')
  const bigBytes = listener.accepted.slice(0, 3).map(({ bytes }) => bytes.length)
  t.true(Math.min(...bigBytes) > 0 && Math.max(...bigBytes) < 2 * limits.yamux.frameBytes)
})

test('a window update leaves before the data of other streams', (t) => {
  const [dialer, listener] = endPair()
  const stream = dialer.open()
  dialer.send(stream, Buffer.alloc(initialWindowBytes))
  for (let i = 0; i < 3; i++) listener.session.receive(dialer.flush(), 0)
  const busy = listener.open()
  listener.send(busy, Buffer.alloc(200_000))
  const header = listener.flush().subarray(0, 2)
  t.deepEqual([...header], [0, FrameType.windowUpdate])
})

test('frames never exceed 16 KiB and a stream stops at its credit', (t) => {
  const [dialer, listener] = endPair()
  const stream = dialer.open()
  exchange(dialer, listener)
  listener.accepted[0]!.hold = true
  dialer.send(stream, Buffer.alloc(2 * mebibyte))
  exchange(dialer, listener)
  t.is(listener.accepted[0]!.channel.window.unread, initialWindowBytes)
  t.true(listener.accepted[0]!.pieces.every((piece) => piece.length <= limits.yamux.frameBytes))
  t.is(stream.channel.acknowledgedBytes, 0)
  t.is(stream.drained, 0)
})

test('acknowledged says what was taken, also while the window grows', (t) => {
  const [dialer, listener] = [new End('dialer'), new End('listener')]
  dialer.session.receive(listener.flush(), 0)
  const stream = dialer.open()
  const nowMs = limits.yamux.measureMs - 1 // a round trip as long, and no second one
  listener.session.receive(dialer.flush(), nowMs) // with the answer to its ping
  const reader = listener.accepted[0]!
  reader.hold = true
  dialer.send(stream, Buffer.alloc(5 * mebibyte))
  let grown = 0
  for (let step = 0; step < 500 && stream.channel.pending.length > 0; step++) {
    listener.session.receive(dialer.flush(nowMs, 4 * limits.yamux.frameBytes), nowMs)
    const { window } = reader.channel
    reader.take(Math.max(0, window.unread - 60_000)) // always a little behind
    dialer.session.receive(listener.flush(nowMs), nowMs)
    grown = window.bytes
    t.true(stream.channel.acknowledgedBytes <= window.taken)
  }
  t.true(grown > initialWindowBytes)
  reader.take()
  listener.session.acknowledge()
  exchange(dialer, listener, nowMs)
  t.is(stream.channel.acknowledgedBytes, 5 * mebibyte)
})

/** Sends for `forMs` of virtual time over a path with this delay and rate; the reader takes readPerMs bytes a ms. */
function transfer(options: {
  oneWayMs: number
  bytesPerMs: number
  readPerMs?: number
  forMs: number
  credit?: number
}) {
  const credit = { streams: 10, creditBytes: options.credit ?? 96 * mebibyte, datagramBytes: 0 }
  const [dialer, listener] = [new End('dialer', { limits: credit }), new End('listener', { limits: credit })]
  const stream = dialer.open()
  let tokens = 0
  const onTheWay: { at: number; to: End; bytes: Buffer }[] = []
  for (let now = 1; now <= options.forMs; now++) {
    if (stream.channel.pending.length < mebibyte) dialer.send(stream, Buffer.alloc(mebibyte))
    for (tokens = Math.min(tokens, 0) + options.bytesPerMs; tokens > 0; ) {
      const bytes = dialer.flush(now, limits.yamux.frameBytes)
      if (bytes.length === 0) break
      tokens -= bytes.length
      onTheWay.push({ at: now + options.oneWayMs, to: listener, bytes })
    }
    while (onTheWay[0] !== undefined && onTheWay[0].at <= now) {
      const { to, bytes } = onTheWay.shift()!
      to.session.receive(bytes, now)
    }
    const reader = listener.accepted[0]
    if (reader === undefined) continue
    reader.hold = true
    reader.pieces.length = 0
    reader.take(Math.min(reader.channel.window.unread, options.readPerMs ?? Number.POSITIVE_INFINITY))
    const back = listener.flush(now)
    if (back.length > 0) onTheWay.push({ at: now + options.oneWayMs, to: dialer, bytes: back })
    onTheWay.sort((a, b) => a.at - b.at)
  }
  const { window } = listener.accepted[0]!.channel
  return { windowBytes: window.bytes, takenBytes: window.taken }
}

test('the window grows to 16 MiB where bandwidth and round trip need it', (t) => {
  const { windowBytes, takenBytes } = transfer({ oneWayMs: 100, bytesPerMs: 100_000, forMs: 5000 })
  t.is(windowBytes, limits.link.streamWindowMaxBytes)
  t.log(`${(takenBytes / 5e6).toFixed(0)} MB/s of 84 that 16 MiB allow at 200 ms, start included`)
  t.true(takenBytes / 5000 > 50_000)
})

test('the window stays small where the path needs no more', (t) => {
  t.is(transfer({ oneWayMs: 1, bytesPerMs: 10_000, forMs: 1000 }).windowBytes, initialWindowBytes)
})

test('on a path that is shorter than turns of the event loop the window covers the turns', (t) => {
  const window = new ReceiveWindow()
  const piece = limits.yamux.frameBytes
  for (let now = 1; now <= 100; now++) {
    for (let bytes = 0; bytes < 400_000; bytes += piece) {
      t.true(window.receive(piece))
      if (!window.take(piece)) continue
      window.grow(window.growth(now + bytes / 400_000, 0.3, Number.POSITIVE_INFINITY))
      window.report()
    }
  }
  t.true(window.bytes >= mebibyte && window.bytes <= 4 * mebibyte, `${window.bytes}`)
})

test("a slow reader's window does not grow", (t) => {
  t.is(transfer({ oneWayMs: 50, bytesPerMs: 100_000, readPerMs: 1000, forMs: 5000 }).windowBytes, initialWindowBytes)
})

test('windows together stay within the credit of the link', (t) => {
  const credit = 3 * mebibyte
  const { windowBytes } = transfer({ oneWayMs: 100, bytesPerMs: 100_000, forMs: 3000, credit })
  t.true(windowBytes > credit / 4 && windowBytes <= credit / 2, 'it grows, and leaves half to those that come later')
})

test('beyond the credit of the link the stream with the most unread bytes is reset', (t) => {
  const [dialer, listener] = endPair({ limits: { streams: 10, creditBytes: 500_000, datagramBytes: 0 } })
  const streams = [200_000, 250_000, 100_000].map((bytes) => ({ stream: dialer.open(), bytes }))
  exchange(dialer, listener)
  for (const recorder of listener.accepted) recorder.hold = true
  for (const { stream, bytes } of streams) dialer.send(stream, Buffer.alloc(bytes))
  exchange(dialer, listener)
  t.deepEqual(
    listener.accepted.map(({ shed }) => shed),
    [false, true, false],
  )
  t.is(streams[1]!.stream.resetCode, StreamReset.limit)
  t.true(listener.session.unreadBytes <= 500_000)
})

test('a stranger is congested at its credit and not before', (t) => {
  const dialer = new End('dialer')
  const listener = new End('listener', { limits: limits.link.stranger, stranger: true })
  exchange(dialer, listener)
  const stream = dialer.open()
  exchange(dialer, listener)
  listener.accepted[0]!.hold = true
  dialer.send(stream, Buffer.alloc(limits.link.stranger.creditBytes - 1))
  exchange(dialer, listener)
  t.false(listener.session.congested)
  dialer.send(stream, Buffer.alloc(1))
  exchange(dialer, listener)
  t.true(listener.session.congested)
  listener.session.raise(limits.link.authenticated)
  t.false(listener.session.congested)
})

test('streams beyond the limit are reset, and so are those that nobody can hold', (t) => {
  const [dialer, listener] = endPair({ limits: { streams: 2, creditBytes: mebibyte, datagramBytes: 0 } })
  const streams = [dialer.open(), dialer.open(), dialer.open()]
  exchange(dialer, listener)
  t.deepEqual(
    streams.map(({ resetCode }) => resetCode),
    [undefined, undefined, StreamReset.limit],
  )
  dialer.session.reset(streams[0]!.channel, 1)
  exchange(dialer, listener)
  listener.refuse = true
  const refused = dialer.open()
  exchange(dialer, listener)
  t.is(refused.resetCode, StreamReset.limit)
})

test('a go-away is the last frame', (t) => {
  const [dialer, listener] = endPair()
  const stream = dialer.open()
  dialer.send(stream, Buffer.alloc(1000))
  dialer.session.goAway(0x101)
  const bytes = dialer.flush()
  t.deepEqual(bytes, frame('00 03 0000 00000000 00000101'))
  t.is(dialer.flush().length, 0)
  listener.session.receive(bytes, 0)
  t.is(listener.goneAway, 0x101)
})

test('stream ids start over and leave out those in use', (t) => {
  const [dialer, listener] = endPair()
  const first = dialer.open()
  exchange(dialer, listener)
  dialer.session.startIdsAt(0xffff_fffd)
  t.deepEqual(
    [dialer.open(), dialer.open(), dialer.open()].map(({ channel }) => channel.id),
    [0xffff_fffd, 0xffff_ffff, 3],
  )
  t.is(first.channel.id, 1)
})

test('a silent peer is asked, and given up when nothing at all comes', (t) => {
  const end = new End('dialer', { times: { keepAliveMs: 1000, silenceMs: 500 } })
  const { keepAlive } = end.session
  end.flush(0)
  end.session.receive(frame('00 02 0002 00000000 00000000'), 10)
  t.is(keepAlive.deadlineMs, 1000)
  t.is(keepAlive.timeout(999), undefined)
  t.is(keepAlive.timeout(1000), 'ask')
  t.deepEqual(end.flush(1000), frame('00 02 0001 00000000 00000001'))
  end.session.receive(frame('00 02 0002 00000000 00000099'), 1300) // no answer to our ping, but life
  t.is(keepAlive.timeout(1500), undefined)
  t.is(keepAlive.timeout(1800), 'silent')
})

test('the flag of ours on a growing window is one that the spec leaves free', (t) => {
  t.is(Flag.grow & (Flag.syn | Flag.ack | Flag.fin | Flag.rst), 0)
})
