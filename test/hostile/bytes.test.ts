// Peers that send single bytes, closes that nobody asked for, payloads from port 0: what costs them nothing must not
// cost the other end's time or memory.

import { spawnSync } from 'node:child_process'
import { PassThrough } from 'node:stream'
import test from 'ava'
import { limits } from '../../src/base/limits.js'
import { flowCounters } from '../../src/proxy/carrier.js'
import { FlowTable } from '../../src/proxy/flow-table.js'
import { StreamCarrier } from '../../src/proxy/stream-carrier.js'
import { transportByName } from '../../src/transport/index.js'
import type { Stream } from '../../src/transport/transport.js'
import { encodeClose, encodeData, maxPayloadBytes } from '../../src/wire/datagrams.js'
import { Framer } from '../../src/wire/framer.js'
import { clientOptions, serverOptions, startServer, udpProxy, watchClient } from '../support/ends.js'
import { received, udpPeer } from '../support/link-tunnel.js'
import { declare } from '../support/over.js'

/** Bytes that `body` joins. */
function joinedBytes(body: () => void): number {
  const { concat } = Buffer
  let joined = 0
  Buffer.concat = (list, total) => {
    const whole = concat(list, total)
    joined += whole.length
    return whole
  }
  try {
    body()
  } finally {
    Buffer.concat = concat
  }
  return joined
}

/** A carrier on a stream whose far end reads nothing until `release`, which returns how many bytes then came out. */
function carrierOnStuckStream() {
  const counters = flowCounters()
  const carrier = new StreamCarrier(counters)
  const stream = Object.assign(new PassThrough(), { acknowledged: Number.MAX_SAFE_INTEGER, reset: () => {} })
  const writes: (() => void)[] = []
  let bytesOut = 0
  stream.write = ((bytes: Uint8Array, done: () => void) => {
    bytesOut += bytes.length
    writes.push(done)
    return false
  }) as typeof stream.write
  const release = (): number => {
    for (let done = writes.shift(); done !== undefined; done = writes.shift()) done()
    return bytesOut
  }
  const table = new FlowTable(carrier, counters)
  carrier.start(stream as unknown as Stream, 0, table)
  return { counters, stream, release }
}

test.serial('a control frame that comes byte by byte is joined once, not at each byte', (t) => {
  const framer = new Framer(limits.control.messageBytes, false)
  const frame = Buffer.alloc(2 + 16_000, 7)
  frame.writeUInt16BE(16_000)
  const frames: Buffer[] = []
  const joined = joinedBytes(() => {
    for (let at = 0; at < frame.length; at++) frames.push(...framer.push(frame.subarray(at, at + 1)))
  })
  t.deepEqual(frames, [frame.subarray(2)])
  t.true(joined < 2 * frame.length, `${joined} bytes were joined`)
})

test.serial('a payload on the flows stream that comes byte by byte is joined once', (t) => {
  const { counters, stream } = carrierOnStuckStream()
  const bytes = encodeData(7, new Uint8Array(maxPayloadBytes))
  const joined = joinedBytes(() => {
    for (let at = 0; at < bytes.length; at++) stream.emit('data', bytes.subarray(at, at + 1))
  })
  t.is(counters.droppedUnknownFlow, 1)
  t.true(joined < 2 * bytes.length, `${joined} bytes were joined`)
})

test.serial('payloads of a million unknown flows leave a bounded number of closes to a peer that reads none', (t) => {
  const { counters, stream, release } = carrierOnStuckStream()
  const flows = 20_000
  for (let flow = 0; flow < 50 * flows; flow += flows) {
    const payloads = Array.from({ length: flows }, (_, n) => encodeData(flow + n, new Uint8Array()))
    stream.emit('data', Buffer.concat(payloads))
  }
  t.is(counters.droppedUnknownFlow, 50 * flows)
  const closes = release() / encodeClose(0).length
  t.true(closes > 0 && closes <= 1 + limits.proxy.flowCloses, `${closes} closes waited`)
})

/** One UDP payload from port 0 of this machine, as only a raw socket sends it. */
const fromPortZero = `
import socket, struct, sys
port, text = int(sys.argv[1]), b"forged"
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
s.sendto(struct.pack("!HHHH", 0, port, 8 + len(text), 0) + text, ("127.0.0.1", 0))
`
const mayForge = process.platform === 'linux' && process.getuid?.() === 0
declare(
  'a payload forged from port 0 does not end the flows of others',
  async (t) => {
    const tls = transportByName('tls')
    const server = await startServer(await serverOptions([tls]))
    t.teardown(() => server.close())
    const service = await udpPeer((bytes, reply) => reply(bytes))
    t.teardown(() => service.close())
    const { client, until } = watchClient(
      clientOptions(server.address, tls, server.pin, { proxies: [udpProxy('game', service.port)] }),
    )
    t.teardown(() => client.close())
    const port = (await until('serving')).proxies[0]!.public!.port
    const visitor = await udpPeer()
    t.teardown(() => visitor.close())
    const ask = async (text: string): Promise<string> => {
      const answer = received(visitor.socket, 1)
      visitor.socket.send(text, port, '127.0.0.1')
      return String((await answer)[0])
    }
    t.is(await ask('one'), 'one')
    t.is(spawnSync('python3', ['-c', fromPortZero, String(port)]).status, 0)
    t.is(await ask('two'), 'two')
    const { counters } = server.sessions()[0]!.proxies[0]!
    t.like(counters, { accepted: 1, endedByPeer: 0, refusedNoPort: 1 })
  },
  { programs: ['python3'], unless: mayForge ? '' : 'needs raw sockets', serial: true },
)
