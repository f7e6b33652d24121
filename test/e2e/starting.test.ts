// A visitor that comes while the client starts is refused or served, never accepted and then closed.

import { createConnection } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { clientOptions, serverOptions, startServer, tcpProxy, watchClient } from '../support/ends.js'
import { startRelay } from '../support/one-process.js'
import { overEach } from '../support/over.js'
import { freePort } from '../support/programs.js'
import { readAll, tcpServer } from '../support/tcp.js'

const tries = 20
const rttMs = 100
/** Visitors come this often, so that some meet each step of a start. */
const everyMs = 4
/** Visitors that come once the client serves. */
const afterwards = 5

type Outcome = 'refused' | 'served' | `accepted, then ${string}`

async function visit(port: number): Promise<Outcome> {
  const socket = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true })
  const accepted = await new Promise<boolean>((resolve) => {
    socket.on('connect', () => resolve(true))
    socket.on('error', () => resolve(false))
  })
  if (!accepted) return 'refused'
  socket.end('anybody there?')
  const { bytes, how } = await readAll(socket)
  return how === 'end' && bytes.toString() === 'anybody there?' ? 'served' : `accepted, then ${how} after "${bytes}"`
}

overEach(
  'a visitor during a start is refused or served, never accepted and then closed',
  async (t, over) => {
    const service = await tcpServer((socket) => socket.pipe(socket))
    t.teardown(() => service.close())
    const ports = { start: 1024, end: 65_535 }
    const server = await startServer(await serverOptions([over], { ports }))
    t.teardown(() => server.close())
    const relay = await startRelay(over.name, server.address, rttMs)
    t.teardown(() => relay.close())
    const counts = new Map<Outcome, number>()
    for (let round = 0; round < tries; round++) {
      const port = await freePort()
      const proxies = [tcpProxy('door', service.port, { remotePort: port })]
      // Every other client has no pin: it registers a round trip later, once the server has proved itself.
      const trust = round % 2 === 0 ? {} : { trust: { kind: 'unverified' as const } }
      const { client, until } = watchClient(clientOptions(relay.address, over, server.pin, { proxies, ...trust }))
      t.teardown(() => client.close())
      const visits: Promise<Outcome>[] = []
      let left = Number.POSITIVE_INFINITY
      void until('serving').then(() => {
        left = afterwards
      })
      for (; left > 0; left--) {
        visits.push(visit(port))
        await delay(everyMs)
      }
      for (const outcome of await Promise.all(visits)) counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
      await client.close()
    }
    t.log(JSON.stringify(Object.fromEntries(counts)))
    t.deepEqual([...counts.keys()].sort(), ['refused', 'served'])
  },
  { timeoutMs: 120_000 },
)
