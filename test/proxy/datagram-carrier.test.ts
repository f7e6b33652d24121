import test from 'ava'
import { limits } from '../../src/base/limits.js'
import { AsyncQueue } from '../../src/base/queue.js'
import { flowCounters } from '../../src/proxy/carrier.js'
import { DatagramCarrier } from '../../src/proxy/datagram-carrier.js'
import { FlowTable } from '../../src/proxy/flow-table.js'
import type { Datagrams } from '../../src/transport/transport.js'
import { decodeFlowMessage, encodeClose, encodeData, encodeOpened, encodePiece } from '../../src/wire/datagrams.js'
import { encodeHeader } from '../../src/wire/headers.js'

const visitor = { host: '192.0.2.1', port: 1 }
const header = (streamId: number) => ({ streamId, proxy: 'game', visitor })

/** Datagrams of which the test is the other end. */
class Path implements Datagrams {
  maxBytes = 1_200
  takes = true
  readonly sent: Buffer[] = []
  private readonly batches = new AsyncQueue<readonly Uint8Array[]>(1_000)

  send(payload: Uint8Array): boolean {
    if (this.takes) this.sent.push(Buffer.from(payload))
    return this.takes
  }

  /** Resolves when the batch has been taken. */
  async arrive(...batch: Uint8Array[]): Promise<void> {
    this.batches.push(batch)
    await new Promise((resolve) => setImmediate(resolve))
  }

  [Symbol.asyncIterator](): AsyncIterator<readonly Uint8Array[]> {
    return this.batches[Symbol.asyncIterator]()
  }

  /** The types of the messages in each datagram that was sent. */
  get types(): string[] {
    return this.sent.map((bytes) => {
      const types: string[] = []
      for (let at = 0; at < bytes.length; ) {
        const { message, next } = decodeFlowMessage(bytes, at)!
        types.push(message.type)
        at = next
      }
      return types.join(' ')
    })
  }
}

function server() {
  const path = new Path()
  const counters = flowCounters()
  const carrier = new DatagramCarrier(path, counters)
  const table = new FlowTable(carrier, counters)
  void carrier.run(table)
  return { path, counters, table }
}

function client() {
  const path = new Path()
  const counters = flowCounters()
  const carrier = new DatagramCarrier(path, counters)
  const payloads: string[] = []
  const table = new FlowTable(carrier, counters, ({ proxy }) =>
    proxy === 'game'
      ? { payload: (bytes) => payloads.push(Buffer.from(bytes).toString()), closed: () => {} }
      : undefined,
  )
  void carrier.run(table)
  return { path, counters, table, payloads }
}

const silent = { payload: () => {}, closed: () => {} }

for (const [name, answer] of [
  ['opened', encodeOpened(1)],
  ['a payload', encodeData(1, Buffer.from('reply'))],
] as const) {
  test(`the opening goes in front of every payload until the answer comes: ${name}`, async (t) => {
    const { path, table } = server()
    const flow = table.open(header(1), silent)
    flow.send(Buffer.from('a'))
    flow.send(Buffer.alloc(2_000))
    await path.arrive(answer)
    flow.send(Buffer.from('b'))
    t.deepEqual(path.types, ['open data', 'open piece', 'open piece', 'data'])
    t.true(path.sent.every((bytes) => bytes.length <= path.maxBytes))
  })
}

test('an opening that comes twice is answered twice and opens once', async (t) => {
  const { path, counters, payloads } = client()
  const datagram = encodeData(1, Buffer.from('a'), encodeHeader(header(1)))
  await path.arrive(datagram, Buffer.from(datagram))
  t.deepEqual(path.types, ['opened', 'opened'])
  t.is(counters.opened, 1)
  t.deepEqual(payloads, ['a', 'a'])
})

test('a payload of an unknown flow is answered with close, a close with nothing', async (t) => {
  const { path, counters, table } = client()
  const piece = { flow: 8, number: 0, index: 0, count: 64, part: Buffer.alloc(1_000) }
  await path.arrive(encodeData(7, Buffer.from('a')), encodePiece(piece), encodeClose(9), encodeOpened(9))
  t.deepEqual(path.types, ['close', 'close'])
  t.is(counters.droppedUnknownFlow, 2)
  t.is(table.size, 0)
})

test('the client opens no flows on a server', async (t) => {
  const { path, counters, table } = server()
  await path.arrive(encodeData(1, Buffer.from('a'), encodeHeader(header(1))))
  t.is(table.size, 0)
  t.is(counters.droppedMalformed, 1)
})

test('a peer that opens without end gets so many flows and no more', async (t) => {
  const { path, counters, table } = client()
  for (let id = 0; id < limits.proxy.flowsPerLink + 10; id++) {
    await path.arrive(encodeHeader(header(id)))
  }
  t.is(table.size, limits.proxy.flowsPerLink)
  t.is(counters.refused, 10)
  await path.arrive(encodeClose(0), encodeHeader(header(1_000_000)))
  t.is(table.size, limits.proxy.flowsPerLink)
  t.is(counters.refused, 10)
})

test('bad datagrams are dropped one by one and the flow lives on', async (t) => {
  const { path, counters, payloads } = client()
  const good = encodeData(1, Buffer.from('good'), encodeHeader(header(1)))
  for (let cut = 1; cut < good.length; cut++) await path.arrive(good.subarray(0, cut))
  await path.arrive(Buffer.from('00', 'hex'), Buffer.from('ff'.repeat(1_200), 'hex'), Buffer.alloc(0), good)
  t.deepEqual(payloads, ['good'])
  // A cut right behind the opening is an opening without a payload, which is good as well.
  t.is(counters.droppedMalformed, good.length - 2 + 2)
})

test('what the path does not take is counted, once a payload', (t) => {
  const { path, counters, table } = server()
  const flow = table.open(header(1), silent)
  path.takes = false
  flow.send(Buffer.from('a'))
  flow.send(Buffer.alloc(9_000))
  t.is(counters.droppedQueueFull, 2)
  path.takes = true
  path.maxBytes = 500
  flow.send(Buffer.alloc(65_507))
  t.is(counters.droppedTooLarge, 1)
  t.is(path.sent.length, 0)
})

test('a flow that has been closed sends nothing more', (t) => {
  const { path, table } = server()
  const flow = table.open(header(1), silent)
  flow.close()
  flow.close()
  flow.send(Buffer.from('a'))
  t.deepEqual(path.types, ['close'])
})
