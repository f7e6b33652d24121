// A connection that is cut (RST) is an error on the other side, never a clean end: both directions, idle and busy.

import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { ExecutionContext } from 'ava'
import type { Transport } from '../../src/transport/transport.js'
import { deferred } from '../support/deferred.js'
import { tcpProxy } from '../support/ends.js'
import { startTunnel } from '../support/one-process.js'
import { overEach } from '../support/over.js'
import { readAll, tcpConnect, tcpServer } from '../support/tcp.js'

/** A cut meets the bytes before it in a different place each time: in one event with them, or in a later one. */
const rounds = 20

interface Pair {
  readonly visitor: Socket
  readonly service: Socket
}

/** A visitor's connection and the service's, joined by the tunnel; a first byte has gone each way. */
async function connected(t: ExecutionContext, over: Transport) {
  let arrived = deferred<Socket>()
  const service = await tcpServer((socket) => arrived.resolve(socket))
  t.teardown(() => service.close())
  const { ports } = await startTunnel(t, over, [tcpProxy('cut', service.port)])
  return async (): Promise<Pair> => {
    arrived = deferred()
    const visitor = await tcpConnect(ports[0]!)
    visitor.on('error', () => {})
    visitor.write('?')
    const far = await arrived.promise
    await once(far, 'readable')
    far.read()
    far.write('!')
    await once(visitor, 'readable')
    visitor.read()
    return { visitor, service: far }
  }
}

/** Writes as fast as the other side takes it, until the socket is gone. */
function flood(socket: Socket): void {
  const chunk = Buffer.alloc(64 * 1024, 7)
  const more = () => {
    while (!socket.destroyed && socket.write(chunk));
  }
  socket.on('drain', more)
  more()
}

const sides = [
  { cut: 'visitor', hears: 'service' },
  { cut: 'service', hears: 'visitor' },
] as const

for (const { cut, hears } of sides) {
  overEach(`a ${cut} cut while nothing moves is an error for the ${hears}`, async (t, over) => {
    const connect = await connected(t, over)
    for (let round = 0; round < rounds; round++) {
      const pair = await connect()
      const seen = readAll(pair[hears])
      pair[cut].resetAndDestroy()
      t.is((await seen).how, 'ECONNRESET')
    }
  })

  overEach(`a ${cut} cut right after its last bytes is an error for the ${hears}`, async (t, over) => {
    const connect = await connected(t, over)
    for (let round = 0; round < rounds; round++) {
      const pair = await connect()
      const seen = readAll(pair[hears])
      pair[cut].write('five!', () => pair[cut].resetAndDestroy())
      t.is((await seen).how, 'ECONNRESET')
    }
  })

  overEach(`a ${cut} cut in the middle of what it sends is an error for the ${hears}`, async (t, over) => {
    const connect = await connected(t, over)
    for (let round = 0; round < rounds; round++) {
      const pair = await connect()
      const seen = readAll(pair[hears])
      flood(pair[cut])
      await once(pair[hears], 'data')
      pair[cut].resetAndDestroy()
      t.is((await seen).how, 'ECONNRESET')
    }
  })

  overEach(`a ${cut} cut in the middle of what it receives is an error for the ${hears}`, async (t, over) => {
    const connect = await connected(t, over)
    for (let round = 0; round < rounds; round++) {
      const pair = await connect()
      const seen = readAll(pair[hears])
      flood(pair[hears])
      await once(pair[cut], 'data')
      pair[cut].resetAndDestroy()
      t.regex((await seen).how, /^(ECONNRESET|EPIPE)$/)
    }
  })

  overEach(`a ${cut} cut after its own end is an error for the ${hears} that still sends`, async (t, over) => {
    const connect = await connected(t, over)
    for (let round = 0; round < rounds; round++) {
      const pair = await connect()
      pair[cut].end()
      pair[hears].resume()
      await once(pair[hears], 'end')
      const broken = new Promise((resolve) => pair[hears].once('close', resolve))
      flood(pair[hears])
      await once(pair[cut], 'data')
      pair[cut].resetAndDestroy()
      await broken
      t.regex((pair[hears].errored as NodeJS.ErrnoException | null)?.code ?? 'clean', /^(ECONNRESET|EPIPE)$/)
    }
  })
}
