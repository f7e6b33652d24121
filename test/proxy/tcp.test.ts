import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { isPetrelError, PetrelError, StreamReset } from '../../src/base/errors.js'
import { readStreamHeader } from '../../src/proxy/headers.js'
import type { Exposure, ProxySpec, PublicLimits, Service } from '../../src/proxy/proxy.js'
import { abortSocket } from '../../src/proxy/socket.js'
import { exposeTcp, serveTcp } from '../../src/proxy/tcp.js'
import { encodeHeader } from '../../src/wire/headers.js'
import { deferred } from '../support/deferred.js'
import { collect } from '../support/stream-ends.js'
import { type MemoryStream, streamPair } from '../support/streams.js'
import { readAll, tcpConnect, tcpServer } from '../support/tcp.js'
import { localService, memoryOpener, publicSide, silent } from '../support/tunnel.js'

interface Setup {
  readonly spec?: Partial<ProxySpec>
  readonly limits?: Partial<PublicLimits>
  readonly service?: Partial<Service>
  readonly windowBytes?: number
  readonly onStream?: (stream: MemoryStream) => void
}

const spec: ProxySpec = { type: 'tcp', name: 'web', remotePort: 0, localPort: 0 }

/** A service, a client half, a server half; all is closed when the test ends. */
async function tunnel(
  t: ExecutionContext,
  onSocket: (socket: Socket) => void,
  setup: Setup = {},
): Promise<Exposure & { port: number }> {
  const server = await tcpServer(onSocket)
  const service = localService(server.port, setup.service)
  const opener = memoryOpener((stream, header) => {
    setup.onStream?.(stream)
    void serveTcp({ stream, header, service, log: silent })
  }, setup.windowBytes)
  const exposure = await exposeTcp({ ...spec, ...setup.spec }, opener, publicSide(setup.limits))
  t.teardown(async () => {
    await exposure.close()
    await server.close()
  })
  return Object.assign(exposure, { port: exposure.address.port })
}

function echo(socket: Socket): void {
  socket.pipe(socket)
}

const ended = (exposure: Exposure): Promise<void> => exposure.drain(new AbortController().signal)

test('a visitor that ends first still gets the whole answer', async (t) => {
  const exposure = await tunnel(t, (socket) => {
    const request: Buffer[] = []
    socket.on('data', (chunk) => request.push(chunk))
    socket.on('end', () => socket.end(Buffer.concat([Buffer.from('answer to '), ...request])))
  })
  const visitor = await tcpConnect(exposure.port)
  visitor.end('question')
  t.deepEqual(await readAll(visitor), { bytes: Buffer.from('answer to question'), how: 'end' })
  await ended(exposure)
  t.is(exposure.counters.endedClean, 1)
})

test('a service that ends first still gets the rest of the request', async (t) => {
  let heard: Promise<{ bytes: Buffer; how: string }> | undefined
  const exposure = await tunnel(t, (socket) => {
    heard = readAll(socket)
    socket.end('greeting')
  })
  const visitor = await tcpConnect(exposure.port)
  t.deepEqual(await readAll(visitor), { bytes: Buffer.from('greeting'), how: 'end' })
  visitor.end('after the end')
  await ended(exposure)
  t.deepEqual(await heard, { bytes: Buffer.from('after the end'), how: 'end' })
})

test('a visitor whose end comes with the header is heard at the service', async (t) => {
  const service = await tcpServer((socket) => socket.on('end', () => socket.end('all heard')).resume())
  t.teardown(() => service.close())
  const [near, far] = streamPair()
  near.write(encodeHeader({ streamId: 1, proxy: 'web', visitor: { host: '192.0.2.1', port: 4711 } }))
  near.end()
  const header = await readStreamHeader(far, { deadlineMs: 5_000 })
  await once(far, 'end')
  void serveTcp({ stream: far, header, service: localService(service.port), log: silent })
  t.is(`${await collect(near)}`, 'all heard')
})

test('large bodies arrive whole in both directions at once', async (t) => {
  const body = Buffer.alloc(8 * 1024 * 1024, 'petrel ')
  const exposure = await tunnel(t, (socket) => socket.pipe(socket))
  const visitor = await tcpConnect(exposure.port)
  const all = readAll(visitor)
  visitor.end(body)
  const { bytes, how } = await all
  t.is(how, 'end')
  t.true(bytes.equals(body))
})

test('a visitor that breaks is an error at the service', async (t) => {
  let heard: Promise<{ how: string }> | undefined
  const connected = deferred()
  const exposure = await tunnel(t, (socket) => {
    heard = readAll(socket)
    socket.once('data', () => connected.resolve())
  })
  const visitor = await tcpConnect(exposure.port)
  visitor.write('half a request')
  await connected.promise
  abortSocket(visitor)
  t.is((await heard)?.how, 'ECONNRESET')
  await ended(exposure)
  t.is(exposure.counters.endedVisitorBroke, 1)
})

test('a service that breaks is an error at the visitor', async (t) => {
  const exposure = await tunnel(t, (socket) => {
    socket.once('data', () => socket.write('half an answer', () => abortSocket(socket)))
  })
  const visitor = await tcpConnect(exposure.port)
  visitor.write('x')
  t.is((await readAll(visitor)).how, 'ECONNRESET')
  await ended(exposure)
  t.is(exposure.counters.endedStreamBroke, 1)
})

for (const [name, breakStream] of [
  ['is reset', (stream: MemoryStream) => stream.reset(StreamReset.limit)],
  ['is destroyed', (stream: MemoryStream) => stream.destroy()],
  ['is lost with its link', (stream: MemoryStream) => stream.destroy(new PetrelError('link_lost', 'network', 'gone'))],
] as const) {
  test(`a stream that ${name} in the middle is an error on both sides`, async (t) => {
    let heard: Promise<{ how: string }> | undefined
    let stream: MemoryStream | undefined
    const exposure = await tunnel(
      t,
      (socket) => {
        heard = readAll(socket)
        socket.write('part')
      },
      { onStream: (each) => (stream = each) },
    )
    const visitor = await tcpConnect(exposure.port)
    const seen = readAll(visitor)
    await once(visitor, 'data')
    breakStream(stream!)
    t.is((await seen).how, 'ECONNRESET')
    t.is((await heard)?.how, 'ECONNRESET')
  })
}

test('a service that is down is an error at the visitor and a named reset', async (t) => {
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  const lines: string[] = []
  const codes: (number | undefined)[] = []
  const opener = memoryOpener((stream, header) => {
    const near = stream.peer
    near.on('error', (error) => codes.push(isPetrelError(error) ? error.resetCode : undefined))
    void serveTcp({ stream, header, service: localService(port), log: (_level, message) => lines.push(message) })
  })
  const exposure = await exposeTcp(spec, opener, publicSide())
  t.teardown(() => exposure.close())
  const visitor = await tcpConnect(exposure.address.port)
  t.is((await readAll(visitor)).how, 'ECONNRESET')
  t.deepEqual(codes, [StreamReset.serviceUnreachable])
  t.regex(lines[0] ?? '', /^service 127\.0\.0\.1:\d+ cannot be reached: connect ECONNREFUSED/)
})

test('a visitor is turned away with an error when no stream can be opened', async (t) => {
  const opener = {
    ...memoryOpener(() => {}),
    open: () => Promise.reject(new PetrelError('link_lost', 'network', 'gone')),
  }
  const exposure = await exposeTcp(spec, opener, publicSide())
  t.teardown(() => exposure.close())
  const visitor = await tcpConnect(exposure.address.port)
  t.is((await readAll(visitor)).how, 'ECONNRESET')
  await ended(exposure)
  t.is(exposure.counters.refusedNoStream, 1)
})

test('a slow reader stops the writer behind the tunnel', async (t) => {
  const piece = Buffer.alloc(64 * 1024)
  let written = 0
  const stalled = deferred()
  const exposure = await tunnel(t, (socket) => {
    let quiet: NodeJS.Timeout | undefined
    const fill = (): void => {
      while (socket.write(piece)) written += piece.length
      written += piece.length
      clearTimeout(quiet)
      // Nothing drained for half a second: every buffer on the way is full.
      quiet = setTimeout(() => stalled.resolve(), 500)
    }
    socket.on('drain', fill)
    fill()
  })
  const visitor = await tcpConnect(exposure.port)
  visitor.pause()
  await stalled.promise
  // Kernel buffers of four sockets (a few MiB each at most), plus our own.
  t.true(written < 32 * 1024 * 1024, `${written} bytes in flight`)
})

test('addresses on the deny list, and those not on the allow list, are refused', async (t) => {
  const denied = await tunnel(t, echo, { spec: { deny: ['127.0.0.2', '10.0.0.0/8'] } })
  t.is((await readAll(await tcpConnect(denied.port, '127.0.0.1', '127.0.0.2'))).how, 'ECONNRESET')
  const passed = await tcpConnect(denied.port, '127.0.0.1', '127.0.0.3')
  passed.end('hello')
  t.is((await readAll(passed)).bytes.toString(), 'hello')
  t.is(denied.counters.refusedDenied, 1)

  const allowed = await tunnel(t, echo, { spec: { allow: ['127.0.0.2/31'], deny: ['127.0.0.3'] } })
  t.is((await readAll(await tcpConnect(allowed.port, '127.0.0.1', '127.0.0.1'))).how, 'ECONNRESET')
  t.is((await readAll(await tcpConnect(allowed.port, '127.0.0.1', '127.0.0.3'))).how, 'ECONNRESET')
  t.is(allowed.counters.refusedDenied, 2)
})

test('caps hold by proxy and by source, and a visitor that leaves makes room', async (t) => {
  const exposure = await tunnel(t, echo, {
    spec: { maxConnections: 3 },
    limits: { maxConnectionsPerSource: 2 },
  })
  const first = await tcpConnect(exposure.port)
  await tcpConnect(exposure.port)
  t.is((await readAll(await tcpConnect(exposure.port))).how, 'ECONNRESET')
  t.is(exposure.counters.refusedSourceFull, 1)
  await tcpConnect(exposure.port, '127.0.0.1', '127.0.0.2')
  t.is((await readAll(await tcpConnect(exposure.port, '127.0.0.1', '127.0.0.3'))).how, 'ECONNRESET')
  t.is(exposure.counters.refusedProxyFull, 1)
  t.is(exposure.active, 3)

  first.end('bye')
  await readAll(first)
  const next = await tcpConnect(exposure.port)
  next.end('room again')
  t.is((await readAll(next)).bytes.toString(), 'room again')
})

test('a connection on which nothing moves is ended with an error on both sides', async (t) => {
  let heard: Promise<{ how: string }> | undefined
  const exposure = await tunnel(
    t,
    (socket) => {
      heard = readAll(socket)
    },
    { limits: { idleTimeoutMs: 80 } },
  )
  const visitor = await tcpConnect(exposure.port)
  t.is((await readAll(visitor)).how, 'ECONNRESET')
  t.is((await heard)?.how, 'ECONNRESET')
  await ended(exposure)
  t.is(exposure.counters.endedIdle, 1)
})

test('the service gets a PROXY protocol v2 header before the first byte', async (t) => {
  let heard: Promise<{ bytes: Buffer }> | undefined
  const exposure = await tunnel(
    t,
    (socket) => {
      heard = readAll(socket)
      socket.end()
    },
    { service: { proxyProtocol: true } },
  )
  const visitor = await tcpConnect(exposure.port)
  const port = visitor.localPort!
  visitor.end('GET /')
  await readAll(visitor)
  const { bytes } = (await heard)!
  t.is(bytes.subarray(0, 16).toString('hex'), '0d0a0d0a000d0a515549540a2111000c')
  t.is(bytes.subarray(16, 24).toString('hex'), '7f0000017f000001')
  t.is(bytes.readUInt16BE(24), port)
  t.is(bytes.subarray(28).toString(), 'GET /')
})

test('a port that is held, forbidden or on no address of ours is a named error', async (t) => {
  const held = await exposeTcp(
    spec,
    memoryOpener(() => {}),
    publicSide(),
  )
  t.teardown(() => held.close())
  const side = (more: object) => ({ ...publicSide(), ...more })
  const code = async (more: object): Promise<string | undefined> =>
    (
      await t.throwsAsync(
        exposeTcp(
          spec,
          memoryOpener(() => {}),
          side(more),
        ),
        { instanceOf: PetrelError },
      )
    )?.code
  t.is(await code({ port: held.address.port }), 'address_in_use')
  t.is(await code({ bindAddress: '192.0.2.1' }), 'config_invalid')
  const list = { ...spec, allow: ['10.0.0.0/33'] }
  const error = await t.throwsAsync(
    exposeTcp(
      list,
      memoryOpener(() => {}),
      publicSide(),
    ),
    { instanceOf: PetrelError },
  )
  t.regex(error?.message ?? '', /proxy web: allow has "10\.0\.0\.0\/33"/)
})

test('IPv4 and IPv6 visitors meet on one dual-stack port', async (t) => {
  const visitors: string[] = []
  const server = await tcpServer(echo)
  const opener = memoryOpener((stream, header) => {
    visitors.push(header.visitor.host)
    void serveTcp({ stream, header, service: localService(server.port), log: silent })
  })
  const exposure = await exposeTcp({ ...spec, bindAddress: '::' }, opener, publicSide())
  t.teardown(async () => {
    await exposure.close()
    await server.close()
  })
  for (const host of ['127.0.0.1', '::1']) {
    const visitor = await tcpConnect(exposure.address.port, host)
    visitor.end('hi')
    t.is((await readAll(visitor)).bytes.toString(), 'hi')
  }
  t.deepEqual(visitors, ['127.0.0.1', '::1'])
})

test('close ends every visitor with an error and leaves nothing', async (t) => {
  const exposure = await tunnel(t, echo)
  const visitors = await Promise.all(Array.from({ length: 20 }, () => tcpConnect(exposure.port)))
  const seen = Promise.all(visitors.map(readAll))
  for (const visitor of visitors) visitor.write('x')
  await Promise.all(visitors.map((visitor) => once(visitor, 'data')))
  await exposure.close()
  t.is(exposure.active, 0)
  t.true((await seen).every(({ how }) => how === 'ECONNRESET'))
  t.is(exposure.counters.endedAborted, 20)
})

test('drain lets visitors finish and takes no new ones', async (t) => {
  const exposure = await tunnel(t, echo)
  const visitor = await tcpConnect(exposure.port)
  visitor.write('a')
  await once(visitor, 'data')
  const drained = ended(exposure)
  t.is((await readAll(await tcpConnect(exposure.port))).how, 'ECONNREFUSED')
  const rest = readAll(visitor)
  visitor.end('b')
  t.is((await rest).bytes.toString(), 'b')
  await drained
  t.is(exposure.counters.endedClean, 1)
})
