import { once } from 'node:events'
import test from 'ava'
import { isPetrelError, StreamReset } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { flowCounters } from '../../src/proxy/carrier.js'
import { makeOpener } from '../../src/proxy/opener.js'
import { StreamCarrier } from '../../src/proxy/stream-carrier.js'
import type { Link, Stream } from '../../src/transport/transport.js'
import { dataHeaderBytes, decodeFlowMessage, type FlowMessage } from '../../src/wire/datagrams.js'
import { encodeHeader } from '../../src/wire/headers.js'
import { deferred } from '../support/deferred.js'
import { type MemoryStream, streamPair } from '../support/streams.js'

const visitor = { host: '192.0.2.1', port: 1 }
const opening = encodeHeader({ streamId: 1, proxy: 'game', visitor })
const nobody = { knows: () => false, receive: () => {}, ended: () => {} }

/** Calls onMessage with each flow message that comes out of a stream. */
function readMessages(stream: Stream, onMessage: (message: FlowMessage) => void): void {
  let bytes = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
    let at = 0
    for (let next = decodeFlowMessage(bytes, at); next !== undefined; next = decodeFlowMessage(bytes, at)) {
      onMessage(next.message)
      at = next.next
    }
    bytes = bytes.subarray(at)
  })
}

const numbered = (number: number, size: number): Buffer => {
  const payload = Buffer.alloc(size)
  payload.writeUInt32BE(number)
  return payload
}

test('what waits before there is a stream goes out with one opening, in order', async (t) => {
  const [near, far] = streamPair()
  const carrier = new StreamCarrier(flowCounters())
  for (let i = 0; i < 3; i++) carrier.send(1, Buffer.of(i), opening)
  carrier.sendClose(1)
  carrier.start(near, 0, nobody)
  const types: string[] = []
  const closed = deferred()
  readMessages(far, (message) => {
    types.push(message.type)
    if (message.type === 'close') closed.resolve()
  })
  await closed.promise
  t.deepEqual(types, ['open', 'data', 'data', 'data', 'close'])
})

test('a full queue loses its oldest payloads and keeps the newest', async (t) => {
  const [near, far] = streamPair()
  const counters = flowCounters()
  const carrier = new StreamCarrier(counters)
  const size = 32 * 1024
  let sent = 0
  const send = (): void => carrier.send(1, numbered(sent++, size), opening)
  while (sent < 100) send()
  const kept = Math.floor(limits.proxy.flowQueueBytes / (size + dataHeaderBytes))
  t.is(counters.droppedQueueFull, 100 - kept)

  const first = deferred<number>()
  readMessages(far, (message) => {
    if (message.type === 'data') first.resolve(Buffer.from(message.payload).readUInt32BE())
  })
  carrier.start(near, 0, nobody)
  // On a machine that was busy just now, all of them may have passed their deadline.
  const sending = setInterval(send, 10)
  t.true((await first.promise) >= 100 - kept)
  clearInterval(sending)
  carrier.end()
})

test('a reader that stopped misses what grew old meanwhile and gets what is new', async (t) => {
  const [near, far] = streamPair(16 * 1024)
  const counters = flowCounters()
  const carrier = new StreamCarrier(counters)
  carrier.start(near, 0, nobody)
  let sent = 0
  const enough = deferred()
  const sending = setInterval(() => {
    carrier.send(1, numbered(sent++, 4_096), opening)
    if (sent === 50) enough.resolve()
  }, limits.proxy.flowDeadlineMs / 10)
  // Five times the deadline passes while nobody reads.
  await enough.promise
  const newest = sent
  const got: number[] = []
  const last = deferred()
  readMessages(far, (message) => {
    if (message.type === 'data') got.push(Buffer.from(message.payload).readUInt32BE())
    if (got.at(-1)! >= newest) last.resolve()
  })
  await last.promise
  clearInterval(sending)
  t.true(counters.droppedStale > 20, `${counters.droppedStale} of ${sent} dropped`)
  t.true(got.length + counters.droppedStale <= sent)
  t.deepEqual(
    got,
    [...got].sort((a, b) => a - b),
  )
  carrier.end()
})

/** A link of which only its streams are there. */
function linkOf(streams: MemoryStream[]): Link {
  return {
    datagrams: undefined,
    closed: new Promise(() => {}),
    open: async () => streams.shift() ?? Promise.reject(new Error('no stream left')),
  } as unknown as Link
}

test('bytes that are no flow message end the stream and its flows; the next flow takes another stream', async (t) => {
  const [first, second] = [streamPair(), streamPair()]
  const opener = makeOpener(linkOf([first[0], second[0]]))
  const closed = deferred()
  const events = { payload: () => {}, closed: () => closed.resolve() }
  opener.flows.open('game', visitor, events).send(Buffer.from('a'))
  first[1].write(Buffer.from('ff', 'hex'))
  first[1].resume()
  const [error] = (await once(first[1], 'error')) as [Error]
  t.is(isPetrelError(error) && error.resetCode, StreamReset.protocol)
  await closed.promise
  t.is(opener.flowCounters.droppedMalformed, 1)
  opener.flows.open('game', visitor, { payload: () => {}, closed: () => {} }).send(Buffer.from('b'))
  const [chunk] = (await once(second[1], 'data')) as [Buffer]
  t.is(chunk[0], 0x02)
  opener.close()
})

test('a link that gives no stream ends the flows that wait for one', async (t) => {
  const opener = makeOpener(linkOf([]))
  const closed = deferred()
  opener.flows.open('game', visitor, { payload: () => {}, closed: () => closed.resolve() }).send(Buffer.from('a'))
  await closed.promise
  t.pass()
})
