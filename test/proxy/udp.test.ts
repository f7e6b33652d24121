import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { PetrelError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { Line } from '../../src/base/log.js'
import type { Exposure, ProxySpec, PublicLimits, Service } from '../../src/proxy/proxy.js'
import { exposeUdp } from '../../src/proxy/udp.js'
import { memoryTransport } from '../../src/transport/memory.js'
import type { Transport } from '../../src/transport/transport.js'
import { type LinkTunnel, linkTunnel, received, type UdpPeer, udpPeer } from '../support/link-tunnel.js'
import { localService, publicSide } from '../support/tunnel.js'

interface Setup {
  readonly spec?: Partial<ProxySpec>
  readonly limits?: Partial<PublicLimits>
  readonly service?: Partial<Service>
  readonly transport?: Transport
  readonly withoutDatagrams?: boolean
  readonly log?: Line
  readonly onMessage?: (bytes: Buffer, reply: (bytes: Uint8Array) => void) => void
}

interface Setting extends LinkTunnel {
  readonly exposure: Exposure
  readonly service: UdpPeer
  readonly port: number
}

const spec: ProxySpec = { type: 'udp', name: 'game', remotePort: 0, localPort: 0 }
const carriers = [
  { over: 'datagrams', withoutDatagrams: false },
  { over: 'a stream', withoutDatagrams: true },
] as const

async function setting(t: ExecutionContext, setup: Setup = {}): Promise<Setting> {
  const service = await udpPeer(setup.onMessage ?? ((bytes, reply) => reply(bytes)))
  const found = localService(service.port, { idleTimeoutMs: limits.proxy.udpIdleMs, ...setup.service })
  const tunnel = await linkTunnel(t, {
    ...(setup.transport ? { transport: setup.transport } : {}),
    ...(setup.log ? { log: setup.log } : {}),
    withoutDatagrams: setup.withoutDatagrams ?? false,
    service: (proxy) => (proxy === 'game' ? found : undefined),
  })
  const side = publicSide({ idleTimeoutMs: limits.proxy.udpIdleMs, ...setup.limits })
  const exposure = await exposeUdp({ ...spec, ...setup.spec }, tunnel.opener, side)
  t.teardown(async () => {
    await exposure.close()
    await service.close()
  })
  return { ...tunnel, exposure, service, port: exposure.address.port }
}

async function visit(t: ExecutionContext, host?: string): Promise<UdpPeer> {
  const visitor = await udpPeer(undefined, host)
  t.teardown(() => visitor.close())
  return visitor
}

for (const { over, withoutDatagrams } of carriers) {
  test(`payloads of every size come back as they were, over ${over}`, async (t) => {
    const { port } = await setting(t, { withoutDatagrams })
    const visitor = await visit(t)
    for (const size of [0, 1, 1_172, 1_193, 1_194, 1_472, 9_000, 65_507]) {
      await echoOf(visitor, randomBytes(size), port)
    }
    t.pass()
  })

  test(`two visitors are kept apart, over ${over}`, async (t) => {
    const { port, exposure, flows } = await setting(t, { withoutDatagrams })
    const visitors = await Promise.all([visit(t), visit(t)])
    const strays: string[] = []
    await Promise.all(
      visitors.map(async (visitor, which) => {
        visitor.socket.on('message', (bytes) => {
          if (!bytes.toString().startsWith(`${which} `)) strays.push(bytes.toString())
        })
        for (let i = 0; i < 50; i++) await echoOf(visitor, Buffer.from(`${which} ${i}`), port)
      }),
    )
    t.deepEqual(strays, [])
    t.is(exposure.active, 2)
    t.is(flows.active, 2)
  })

  test(`an idle flow ends on both sides, over ${over}`, async (t) => {
    const { port, exposure, flows } = await setting(t, { withoutDatagrams, limits: { idleTimeoutMs: 80 } })
    const visitor = await visit(t)
    await echoOf(visitor, Buffer.from('x'), port)
    await eventually(() => exposure.counters.endedIdle === 1)
    t.is(exposure.active, 0)
    await eventually(() => flows.active === 0)
    t.is(flows.active, 0)
  })

  test(`a port that drains does not wait for flows, over ${over}`, async (t) => {
    const { port, exposure, flows } = await setting(t, { withoutDatagrams })
    const visitor = await visit(t)
    await echoOf(visitor, Buffer.from('x'), port)
    await exposure.drain(new AbortController().signal)
    t.is(exposure.active, 0)
    await eventually(() => flows.active === 0)
  })

  test(`a flow that the client ended is opened anew by the next payload, over ${over}`, async (t) => {
    const { port, exposure } = await setting(t, { withoutDatagrams, service: { idleTimeoutMs: 80 } })
    const visitor = await visit(t)
    for (let round = 0; round < 2; round++) {
      await echoOf(visitor, Buffer.from('x'), port)
      await eventually(() => exposure.active === 0)
    }
    t.is(exposure.counters.endedByPeer, 2)
    t.is(exposure.counters.accepted, 2)
  })

  test(`a flow of a proxy that is not served is refused, over ${over}`, async (t) => {
    const { port, exposure, flows } = await setting(t, { withoutDatagrams, spec: { name: 'other' } })
    const visitor = await visit(t)
    visitor.socket.send('x', port, '127.0.0.1')
    await eventually(() => exposure.counters.endedByPeer === 1)
    t.is(flows.counters.refused, 1)
    t.is(flows.active, 0)
  })
}

test('a flow opens although its first payloads are lost', async (t) => {
  let sent = 0
  const { port, flows } = await setting(t, { transport: memoryTransport({ lose: () => ++sent <= 3 }) })
  const visitor = await visit(t)
  const echo = received(visitor.socket, 1)
  for (let i = 0; i < 5; i++) visitor.socket.send(`payload ${i}`, port, '127.0.0.1')
  t.is((await echo)[0]!.toString(), 'payload 3')
  t.is(flows.counters.opened, 1)
})

test('a tenth of all datagrams lost: what arrives is whole, the rest is counted', async (t) => {
  let count = 0
  const lose = (): boolean => count++ % 10 === 7
  const { port, flows } = await setting(t, { transport: memoryTransport({ lose }), onMessage: () => {} })
  const visitor = await visit(t)
  for (let i = 0; i < 100; i++) visitor.socket.send(Buffer.alloc(9_000, i), port, '127.0.0.1')
  await eventually(() => Number(flows.counters.droppedUnfinished) > 0)
  t.true(Number(flows.counters.received) > 0)
  t.true(Number(flows.counters.received) + Number(flows.counters.droppedUnfinished) <= 100)
})

test('only the replies of the service reach the visitor', async (t) => {
  let local = 0
  const ready = await setting(t, { onMessage: (bytes, reply) => reply(bytes) })
  ready.service.socket.on('message', (_bytes, from) => (local = from.port))
  const visitor = await visit(t)
  const stranger = await visit(t)
  await echoOf(visitor, Buffer.from('first'), ready.port)
  const second = received(visitor.socket, 1)
  stranger.socket.send('not yours', local, '127.0.0.1')
  visitor.socket.send('second', ready.port, '127.0.0.1')
  t.is((await second)[0]!.toString(), 'second')
})

test('a service that is down harms nothing, is named once, and is served once it is up', async (t) => {
  const gone = await udpPeer()
  await gone.close()
  const lines: string[] = []
  const { port, flows, exposure } = await setting(t, {
    service: { port: gone.port },
    log: (_level, message) => lines.push(message),
  })
  const visitor = await visit(t)
  await eventually(() => {
    visitor.socket.send('x', port, '127.0.0.1')
    return Number(flows.counters.droppedServiceRefused) > 2
  })
  t.is(lines.length, 1)
  t.regex(lines[0] ?? '', /^udp service 127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/)
  t.is(exposure.active, 1)
  const back = await udpPeer((bytes, reply) => reply(bytes), '127.0.0.1', gone.port)
  t.teardown(() => back.close())
  await echoOf(visitor, Buffer.from('now'), port)
  t.is(flows.active, 1)
})

test('lists and caps hold, and what they refuse is counted', async (t) => {
  const { port, exposure } = await setting(t, {
    spec: { deny: ['127.0.0.9'], maxConnections: 3 },
    limits: { maxConnectionsPerSource: 2 },
  })
  // Twice, or it makes room for others.
  const send = async (host: string): Promise<void> => {
    const visitor = await visit(t, host)
    for (let n = 0; n < 2; n++) visitor.socket.send('x', port, '127.0.0.1')
  }
  await send('127.0.0.9')
  await eventually(() => exposure.counters.refusedDenied === 2)
  for (let i = 0; i < 3; i++) await send('127.0.0.1')
  await eventually(() => exposure.counters.refusedSourceFull === 2)
  await send('127.0.0.2')
  await eventually(() => exposure.counters.received === 6)
  await send('127.0.0.3')
  await eventually(() => exposure.counters.refusedProxyFull === 2)
  t.is(exposure.active, 3)
})

test('a held port and a foreign address are named errors', async (t) => {
  const { port, opener } = await setting(t)
  const held = await t.throwsAsync(exposeUdp(spec, opener, { ...publicSide(), port }), { instanceOf: PetrelError })
  t.is(held?.code, 'address_in_use')
  const foreign = { ...publicSide(), bindAddress: '192.0.2.1' }
  t.is((await t.throwsAsync(exposeUdp(spec, opener, foreign), { instanceOf: PetrelError }))?.code, 'config_invalid')
})

test('IPv4 and IPv6 visitors meet on one dual-stack port', async (t) => {
  const { port, exposure } = await setting(t, { spec: { bindAddress: '::' } })
  for (const host of ['127.0.0.1', '::1']) {
    const visitor = await visit(t, host)
    await echoOf(visitor, Buffer.from('hi'), port, host)
  }
  t.is(exposure.active, 2)
})

for (const { over, withoutDatagrams } of carriers) {
  test(`a link that ends closes every flow and socket, over ${over}`, async (t) => {
    const { port, exposure, flows, client } = await setting(t, { withoutDatagrams })
    const visitor = await visit(t)
    await echoOf(visitor, Buffer.from('x'), port)
    await client.close()
    await flows.close()
    await eventually(() => exposure.active === 0)
    t.is(flows.active, 0)
    visitor.socket.send('y', port, '127.0.0.1')
    await eventually(() => exposure.counters.refusedNoFlow === 1)
  })
}

test.serial('close of both halves settles with no descriptor left', async (t) => {
  const { port, exposure, flows, service } = await setting(t, { service: { host: 'localhost' } })
  const open = (): number => readdirSync('/proc/self/fd').length
  const before = open()
  const visitors = await Promise.all(Array.from({ length: 30 }, () => udpPeer()))
  const all = received(service.socket, visitors.length)
  for (const { socket } of visitors) socket.send('x', port, '127.0.0.1')
  await all
  t.is(flows.active, visitors.length)
  await Promise.all(visitors.map((visitor) => visitor.close()))
  await exposure.close()
  await flows.close()
  t.is(exposure.active + flows.active, 0)
  // The public socket was open before.
  t.true(open() < before, `${open()} open, ${before} before`)
})

/** Resolves when the very payload has come back. Asks again, as programs over UDP do: on a busy machine a payload may
 *  wait for longer than the deadline. */
async function echoOf({ socket }: UdpPeer, payload: Buffer, port: number, host = '127.0.0.1'): Promise<void> {
  const send = (): void => socket.send(payload, port, host)
  const again = setInterval(send, 1_000)
  await new Promise<void>((resolve) => {
    const onMessage = (bytes: Buffer): void => {
      if (!bytes.equals(payload)) return
      socket.off('message', onMessage)
      resolve()
    }
    socket.on('message', onMessage)
    send()
  })
  clearInterval(again)
}

/** Waits for a state that no event tells of; ava's timeout is the deadline. */
async function eventually(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5))
}

test.serial('a source at its cap gives up its own quietest flow, and never a busy one', async (t) => {
  const { port, exposure } = await setting(t, { limits: { maxConnectionsPerSource: 2 } })
  const [busy, quiet, third] = [await visit(t), await visit(t), await visit(t)]
  const ask = async ({ socket }: UdpPeer, text: string): Promise<string> => {
    socket.send(text, port, '127.0.0.1')
    return String((await received(socket, 1))[0])
  }
  await ask(quiet, 'one')
  await ask(busy, 'one')
  third.socket.send('too early', port, '127.0.0.1')
  while (exposure.counters.refusedSourceFull !== 1) await new Promise(setImmediate)

  const now = performance.now.bind(performance)
  t.teardown(() => {
    performance.now = now
  })
  performance.now = () => now() + limits.proxy.quietFlowMs
  t.is(await ask(busy, 'still here'), 'still here')
  t.is(await ask(third, 'in time'), 'in time')
  t.is(exposure.counters.endedForRoom, 1)
  t.is(exposure.active, 2)
  t.is(await ask(busy, 'and still'), 'and still')
})

test('a proxy that is full of visitors with one payload each takes another, and keeps who goes on', async (t) => {
  const { port, exposure } = await setting(t, { limits: { maxConnections: 3 } })
  const ask = async (visitor: UdpPeer, text: string): Promise<string> => {
    const answer = received(visitor.socket, 1)
    visitor.socket.send(text, port, '127.0.0.1')
    return String((await answer)[0])
  }
  const loyal = await visit(t)
  t.is(await ask(loyal, 'one'), 'one')
  t.is(await ask(loyal, 'two'), 'two')
  for (let n = 0; n < 6; n++) t.is(await ask(await visit(t), `${n}`), `${n}`)
  t.is(await ask(loyal, 'three'), 'three')
  t.like(exposure.counters, { accepted: 7, endedForRoom: 4, refusedProxyFull: 0 })
})
