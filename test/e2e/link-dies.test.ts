// A link that dies under its connections is an error on each end that petrel still holds, never a clean end. The two
// processes are real, since it is they that die; what a dead process held is closed by the system, as the system likes.

import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { ExecutionContext } from 'ava'
import type { Transport } from '../../src/transport/transport.js'
import { deferred } from '../support/deferred.js'
import { goDark } from '../support/one-process.js'
import { overEach } from '../support/over.js'
import { readAll, type Seen, tcpConnect, tcpServer } from '../support/tcp.js'
import { startTwoProcesses, type TwoProcesses } from '../support/two-processes.js'

/** Heartbeats come every 3 s when busy and may take 10 s to be answered: limits.heartbeat. */
const timeoutMs = 60_000
const clean = /^(end|closed)$/

interface Ends {
  readonly tunnel: TwoProcesses
  /** What each end of the idle connection and of the busy one saw; the busy ones' bytes are not kept. */
  readonly idle: { readonly visitor: Promise<Seen>; readonly service: Promise<Seen> }
  readonly busy: { readonly visitor: Promise<string>; readonly service: Promise<string> }
  /** Of the idle connection. */
  readonly sockets: { readonly visitor: Socket; readonly service: Socket }
}

/** Two connections: one on which nothing moves, one on which both ends talk all the time. */
async function connections(t: ExecutionContext, over: Transport, rttMs?: number): Promise<Ends> {
  let arrived = deferred<Socket>()
  const service = await tcpServer((socket) => arrived.resolve(socket))
  t.teardown(() => service.close())
  const proxies = [{ type: 'tcp' as const, port: service.port }]
  const tunnel = await startTwoProcesses(t, over.name, proxies, rttMs === undefined ? {} : { rttMs })
  const connect = async () => {
    arrived = deferred()
    const visitor = await tcpConnect(tunnel.ports[0]!)
    visitor.on('error', () => {})
    t.teardown(() => void visitor.destroy())
    visitor.write('?')
    const far = await arrived.promise
    await once(far, 'readable')
    far.read()
    return { visitor, service: far }
  }
  const quiet = await connect()
  const loud = await connect()
  const ends = { visitor: howItEnds(loud.visitor), service: howItEnds(loud.service) }
  keepTalking(loud.visitor)
  keepTalking(loud.service)
  await Promise.all([once(loud.visitor, 'data'), once(loud.service, 'data')])
  const idle = { visitor: readAll(quiet.visitor), service: readAll(quiet.service) }
  return { tunnel, idle, busy: ends, sockets: quiet }
}

/** Writes a little all the time, so that there are always bytes on the way, until the socket is gone. */
function keepTalking(socket: Socket): void {
  const chunk = Buffer.alloc(16 * 1024, 7)
  const timer = setInterval(() => {
    if (socket.destroyed) clearInterval(timer)
    else if (!socket.writableNeedDrain) socket.write(chunk)
  }, 10)
}

/** As readAll, without keeping what comes. */
function howItEnds(socket: Socket): Promise<string> {
  socket.resume()
  return new Promise((resolve) => {
    socket.once('end', () => resolve('end'))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.once('close', () => resolve('closed'))
  })
}

overEach(
  'the visitors of a client that is killed hear an error',
  async (t, over) => {
    const { tunnel, idle, busy } = await connections(t, over)
    tunnel.client.child.kill('SIGKILL')
    t.notRegex((await idle.visitor).how, clean)
    t.notRegex(await busy.visitor, clean)
  },
  { timeoutMs },
)

overEach(
  'the services behind a server that is killed hear an error',
  async (t, over) => {
    const { tunnel, idle, busy } = await connections(t, over)
    tunnel.server.child.kill('SIGKILL')
    t.notRegex((await idle.service).how, clean)
    t.notRegex(await busy.service, clean)
  },
  { timeoutMs },
)

overEach(
  'visitors and services on both sides of a path that goes dark hear an error',
  async (t, over) => {
    const { tunnel, idle, busy } = await connections(t, over, 20)
    const started = performance.now()
    goDark(tunnel.relay!)
    const seen = await Promise.all([idle.visitor, idle.service])
    for (const { how } of seen) t.notRegex(how, clean)
    for (const how of await Promise.all([busy.visitor, busy.service])) t.notRegex(how, clean)
    t.log(`told after ${((performance.now() - started) / 1000).toFixed(1)} s`)
  },
  { timeoutMs },
)

overEach(
  'a path that is cut and comes back: on TCP an error on both sides, on UDP nothing is lost',
  async (t, over) => {
    const { tunnel, idle, busy, sockets } = await connections(t, over, 20)
    tunnel.relay!.cut()
    if (over.name === 'tls') {
      for (const { how } of await Promise.all([idle.visitor, idle.service])) t.notRegex(how, clean)
      for (const how of await Promise.all([busy.visitor, busy.service])) t.notRegex(how, clean)
      await tunnel.client.said('stderr', /"msg":"serving"[\s\S]*"msg":"serving"/)
    } else {
      sockets.visitor.write('after the cut')
      const [bytes] = (await once(sockets.service, 'data')) as [Buffer]
      t.is(bytes.toString(), 'after the cut')
    }
    const visitor = await tcpConnect(tunnel.ports[0]!)
    t.false(visitor.destroyed, 'new visitors are served')
    visitor.destroy()
  },
  { timeoutMs },
)
