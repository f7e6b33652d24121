import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import test from 'ava'
import { seededRandom } from '../../../src/cli/demo/random.js'
import { startTcpRelay } from '../../../src/cli/demo/tcp-relay.js'
import { startTwinRelay } from '../../../src/cli/demo/twin-relay.js'
import { startUdpRelay } from '../../../src/cli/demo/udp-relay.js'

async function udpEcho() {
  const socket = createSocket('udp4')
  socket.on('message', (payload, from) => socket.send(payload, from.port, from.address))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

async function tcpServer(on: (socket: Socket) => void) {
  const server = createServer({ allowHalfOpen: true }, on)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, target: { host: '127.0.0.1', port: (server.address() as { port: number }).port } }
}

test('a packet and its answer take the round trip that was asked for', async (t) => {
  const echo = await udpEcho()
  const relay = await startUdpRelay({
    target: { host: '127.0.0.1', port: echo.address().port },
    rttMs: 80,
    lossPercent: 0,
  })
  const visitor = createSocket('udp4')
  const started = performance.now()
  visitor.send('ping', relay.address.port, relay.address.host)
  const [payload] = (await once(visitor, 'message')) as [Buffer]
  const tookMs = performance.now() - started
  t.is(payload.toString(), 'ping')
  t.true(tookMs >= 78, `${tookMs} ms`)
  t.like(relay.counters, { forwarded: 2, lost: 0, overflowed: 0 })
  visitor.close()
  await relay.close()
  echo.close()
})

test('a lossy relay drops about as many packets as asked, and the same ones for the same seed', async (t) => {
  const drops = async () => {
    const sink = createSocket('udp4')
    sink.bind(0, '127.0.0.1')
    await once(sink, 'listening')
    const relay = await startUdpRelay({
      target: { host: '127.0.0.1', port: sink.address().port },
      rttMs: 0,
      lossPercent: 20,
      seed: 7,
    })
    const visitor = createSocket('udp4')
    let sent = 0
    // One at a time, so that the system's own buffers lose nothing.
    for (; sent < 500; sent++) {
      const before = relay.counters.lost + relay.counters.forwarded
      visitor.send('x', relay.address.port, relay.address.host)
      while (relay.counters.lost + relay.counters.forwarded === before) await new Promise((next) => setImmediate(next))
    }
    visitor.close()
    await relay.close()
    sink.close()
    return relay.counters.lost
  }
  const lost = await drops()
  t.true(lost > 60 && lost < 140, `${lost} of 500`)
  t.is(await drops(), lost)
})

test('a full queue drops and counts', async (t) => {
  const echo = await udpEcho()
  const relay = await startUdpRelay({
    target: { host: '127.0.0.1', port: echo.address().port },
    rttMs: 60_000,
    lossPercent: 0,
    queueBytes: 1000,
  })
  const visitor = createSocket('udp4')
  for (let i = 0; i < 3; i++) visitor.send(Buffer.alloc(600), relay.address.port, relay.address.host)
  while (relay.counters.overflowed < 2) await new Promise((next) => setImmediate(next))
  t.is(relay.counters.forwarded, 0)
  visitor.close()
  await relay.close()
  echo.close()
})

test('the tcp relay delays bytes, and half-close still brings the reply', async (t) => {
  const { server, target } = await tcpServer(async (socket) => {
    const heard: Buffer[] = []
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) heard.push(chunk)
    socket.end(`${Buffer.concat(heard).length}`)
  })
  const relay = await startTcpRelay({ target, rttMs: 60 })
  const started = performance.now()
  const visitor = connect({ ...relay.address, allowHalfOpen: true })
  visitor.end(Buffer.alloc(3_000_000))
  let reply = ''
  for await (const chunk of visitor) reply += chunk
  t.is(reply, '3000000')
  t.true(performance.now() - started >= 58)
  await relay.close()
  server.close()
})

test('the tcp relay pauses a sender whose bytes nobody takes', async (t) => {
  const accepted: Socket[] = []
  const { server, target } = await tcpServer((socket) => accepted.push(socket.pause()))
  const relay = await startTcpRelay({ target, rttMs: 0, queueBytes: 1_000_000 })
  const visitor = connect(relay.address)
  let taken = 0
  const fill = () => {
    while (visitor.writableLength < 1_000_000) visitor.write(Buffer.alloc(100_000), () => (taken += 100_000))
  }
  visitor.on('drain', fill)
  visitor.on('error', () => {})
  fill()
  // The kernel's own buffers take some megabytes on their way; without a pause this would run on for ever.
  let before = -1
  while (before !== taken) {
    before = taken
    await new Promise((next) => setTimeout(next, 200))
  }
  t.true(taken < 64_000_000, `${taken} bytes`)
  await relay.close()
  for (const socket of accepted) socket.destroy()
  server.close()
})

test('a reset on one side of the tcp relay is an error on the other', async (t) => {
  const { server, target } = await tcpServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.resetAndDestroy())
  })
  const relay = await startTcpRelay({ target, rttMs: 10 })
  const visitor = connect(relay.address)
  visitor.write('x')
  const [error] = (await once(visitor, 'error')) as [NodeJS.ErrnoException]
  t.is(error.code, 'ECONNRESET')
  await relay.close()
  server.close()
})

test('a twin relay has TCP and UDP on one port number, and ends both', async (t) => {
  const { server, target } = await tcpServer((socket) => socket.on('error', () => {}).end('over TCP'))
  const socket = createSocket('udp4')
  socket.on('message', (_, from) => socket.send('over UDP', from.port, from.address))
  socket.bind(target.port, '127.0.0.1')
  await once(socket, 'listening')
  const relay = await startTwinRelay({ target, rttMs: 0, lossPercent: 0 })
  const visitor = createSocket('udp4')
  visitor.send('?', relay.address.port, relay.address.host)
  const [payload] = (await once(visitor, 'message')) as [Buffer]
  t.is(`${payload}`, 'over UDP')
  const caller = connect(relay.address)
  const [answer] = (await once(caller, 'data')) as [Buffer]
  t.is(`${answer}`, 'over TCP')
  await once(caller, 'close')
  t.true(relay.counters.forwarded >= 3)
  await relay.close()
  const [error] = (await once(connect(relay.address), 'error')) as [NodeJS.ErrnoException]
  t.is(error.code, 'ECONNREFUSED')
  visitor.close()
  socket.close()
  server.close()
})

test('the generator repeats itself for a seed and differs between seeds', (t) => {
  const take = (seed: number) => Array.from({ length: 5 }, seededRandom(seed))
  t.deepEqual(take(3), take(3))
  t.notDeepEqual(take(3), take(4))
})
