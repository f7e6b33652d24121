// A server with many links, some of whose visitors stop reading: what it may hold for them, and what that costs others.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { parseAddress } from '../../src/transport/address.js'
import type { Transport } from '../../src/transport/transport.js'
import { startPetrel } from '../cli/petrel.js'
import { testFolder } from '../config/folder.js'
import { token } from './ends.js'
import type { Fleet } from './fleet.js'
import { startRelay } from './one-process.js'
import { residentBytes } from './resources.js'
import { jobBytes, nothingMoves, serve, stopInTheMiddle, work } from './slow-readers.js'
import { tcpServer } from './tcp.js'

export interface ManyLinks {
  readonly links: number
  /** Of them, those whose visitors stop reading, and how many each has. */
  readonly stopped: number
  readonly readers: number
  /** Of the others, those that work. */
  readonly working: number
  readonly seconds: number
  readonly rttMs: number
}

const mebibyte = 1024 * 1024
/** Read before a reader stops: by then its window is as large as the path and the budget let it be. */
const readBytes = 16 * mebibyte
/** All links of a process together (README, limits), and beside it what Node keeps for as much: a third, as for one link. */
const mostMoreBytes = (1024 * mebibyte * 4) / 3

/** Those that stop do so one after another: alone each has the whole rate, and the largest window. */
export async function manyLinks(t: ExecutionContext, over: Transport, options: ManyLinks): Promise<void> {
  const { links, stopped, readers, working, seconds } = options
  const service = await tcpServer(serve)
  t.teardown(() => service.close())
  const { pid, ports } = await startFleet(t, over, { links, service: service.port, rttMs: options.rttMs })
  t.is(ports.length, links)

  const others = ports.slice(stopped, stopped + working)
  const rate = async () => {
    const until = performance.now() + seconds * 1000
    const began = performance.now()
    const jobs = await Promise.all(others.map((port) => work(port, until)))
    return (jobs.reduce((sum, each) => sum + each, 0) * jobBytes) / ((performance.now() - began) / 1000)
  }
  const alone = await rate()
  const before = residentBytes(pid)
  const held = []
  for (const port of ports.slice(0, stopped)) {
    for (let n = 0; n < readers; n++) held.push(await stopInTheMiddle(port, readBytes))
  }
  await nothingMoves(service.sockets)
  const more = residentBytes(pid) - before
  const beside = await rate()
  t.is(held.filter((socket) => !socket.destroyed).length, stopped * readers, 'those that stopped are still there')
  for (const socket of held) socket.destroy()
  const mb = (bytes: number) => Math.round(bytes / 1e6)
  t.log(`${links} links, on ${stopped} of them ${readers} readers that stopped: ${mb(more)} MB more in the server, `)
  t.log(`${working} others ${mb(alone)} MB/s before, ${mb(beside)} MB/s beside`)
  t.true(more <= mostMoreBytes, 'memory of the server')
  t.true(beside >= alone / 2, 'the rate of the others')
}

interface Sailing {
  readonly links: number
  readonly service: number
  readonly rttMs: number
}

/** A server of the real binary, and its clients in one process of their own behind a relay. */
async function startFleet(t: ExecutionContext, over: Transport, { links, service, rttMs }: Sailing) {
  const folder = testFolder(t)
  folder.write('token', `${token}\n`)
  const config = folder.write('server.yaml', serverYaml)
  const server = startPetrel(t, ['server', '--json', '--config', config], { home: folder.path })
  const [, listening = ''] = await server.said('stderr', /"address":"([^"]+)"/)
  const relay = await startRelay(over.name, parseAddress(listening, 0), rttMs)
  t.teardown(() => relay.close())
  const fleet = fork(fileURLToPath(new URL('fleet.js', import.meta.url)))
  t.teardown(() => fleet.kill('SIGKILL'))
  const orders: Fleet = { transport: over.name, server: relay.address, token, service, clients: links }
  fleet.send(orders)
  const [ports] = (await once(fleet, 'message')) as [number[]]
  return { pid: server.child.pid!, ports }
}

const serverYaml = `bind_addr: 127.0.0.1
bind_port: 0
auth_token_file: ./token
port_range_start: 20000
port_range_end: 30000
limits: { registrations_per_minute: 6000 }
`
