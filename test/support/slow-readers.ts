// Visitors that stop reading in the middle of downloads, beside others that work: what it costs the others and the two
// processes, against the same run without them.

import type { Socket } from 'node:net'
import type { ExecutionContext } from 'ava'
import type { Transport } from '../../src/transport/transport.js'
import { residentBytes } from './resources.js'
import { tcpConnect, tcpServer } from './tcp.js'
import { startTwoProcesses } from './two-processes.js'

export interface SlowReaders {
  readonly stopped: number
  readonly working: number
  readonly seconds: number
  /** Of their rate alone, what the others keep at least: 0 to 1. */
  readonly leastShare: number
}

export const jobBytes = 1024 * 1024
const chunk = Buffer.alloc(64 * 1024, 'petrel')
/** What stopped readers may cost a process, in all: the budget of a link for unread bytes and what Node keeps beside. */
const mostMoreBytes = 96 * 1024 * 1024

interface Outcome {
  readonly bytesASecond: number
  readonly serverBytes: number
  readonly clientBytes: number
}

/** Runs without, with and without the readers that stop, each time with two new processes. The slower one of the two
 *  runs without counts: on a busy machine their rates differ by more than what is measured. */
export async function slowReaders(t: ExecutionContext, over: Transport, options: SlowReaders): Promise<void> {
  const first = await run(t, over, { ...options, stopped: 0 })
  const beside = await run(t, over, options)
  const last = await run(t, over, { ...options, stopped: 0 })
  const without = first.bytesASecond < last.bytesASecond ? first : last
  const mb = (bytes: number) => Math.round(bytes / 1e6)
  t.log(
    `${options.working} work: ${mb(first.bytesASecond)} and ${mb(last.bytesASecond)} MB/s alone, ${mb(beside.bytesASecond)} MB/s beside`,
  )
  t.log(
    `${options.stopped} that stopped; resident, MB: server ${mb(without.serverBytes)} -> ${mb(beside.serverBytes)}, `,
  )
  t.log(`client ${mb(without.clientBytes)} -> ${mb(beside.clientBytes)}`)
  t.true(beside.bytesASecond >= without.bytesASecond * options.leastShare, 'the rate of the others')
  t.true(beside.serverBytes - without.serverBytes <= mostMoreBytes, 'memory of the server')
  t.true(beside.clientBytes - without.clientBytes <= mostMoreBytes, 'memory of the client')
}

async function run(t: ExecutionContext, over: Transport, options: SlowReaders): Promise<Outcome> {
  const service = await tcpServer(serve)
  const { server, client, ports } = await startTwoProcesses(t, over.name, [{ type: 'tcp', port: service.port }])
  const port = ports[0]!
  const stopped = await Promise.all(Array.from({ length: options.stopped }, () => stopInTheMiddle(port)))
  await nothingMoves(service.sockets)
  const pids = [server.child.pid!, client.child.pid!] as const
  const peaks: [number, number] = [0, 0]
  const look = () => {
    for (const [n, pid] of pids.entries()) peaks[n] = Math.max(peaks[n]!, residentBytes(pid))
  }
  const looking = setInterval(look, 100)
  const began = performance.now()
  const until = began + options.seconds * 1000
  const done = await Promise.all(Array.from({ length: options.working }, () => work(port, until)))
  const seconds = (performance.now() - began) / 1000
  clearInterval(looking)
  look()
  const alive = stopped.filter((socket) => !socket.destroyed).length
  t.is(alive, options.stopped, 'those that stopped are still there')
  for (const socket of stopped) socket.destroy()
  for (const { child, ended } of [client, server]) {
    child.kill('SIGKILL')
    await ended
  }
  await service.close()
  const jobs = done.reduce((sum, each) => sum + each, 0)
  return { bytesASecond: (jobs * jobBytes) / seconds, serverBytes: peaks[0], clientBytes: peaks[1] }
}

/** Until every buffer of the system and every window is full. */
export async function nothingMoves(sockets: readonly Socket[]): Promise<void> {
  const written = () => sockets.reduce((sum, socket) => sum + socket.bytesWritten - socket.writableLength, 0)
  for (let before = -1; before !== written(); ) {
    before = written()
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

/** "j": one job, then the end. "e": bytes without an end. */
export function serve(socket: Socket): void {
  socket.once('data', (word) => {
    const left = { bytes: word.toString() === 'j' ? jobBytes : Number.POSITIVE_INFINITY }
    const more = () => {
      while (left.bytes > 0 && !socket.destroyed) {
        left.bytes -= chunk.length
        if (!socket.write(chunk)) return
      }
      socket.end()
    }
    socket.on('drain', more)
    more()
  })
}

/** Resolves once so much has come that the download is under way; from then on nothing is read. */
export async function stopInTheMiddle(port: number, afterBytes = jobBytes): Promise<Socket> {
  const socket = await tcpConnect(port)
  socket.on('error', () => {})
  socket.write('e')
  let bytes = 0
  await new Promise<void>((resolve) => {
    socket.on('data', (piece) => {
      bytes += piece.length
      if (bytes < afterBytes) return
      socket.pause()
      resolve()
    })
  })
  return socket
}

/** Downloads one job after the other, each of jobBytes. Resolves with how many. Rejects when one is short. */
export async function work(port: number, until: number): Promise<number> {
  let jobs = 0
  while (performance.now() < until) {
    const socket = await tcpConnect(port)
    socket.write('j')
    let bytes = 0
    for await (const piece of socket) bytes += (piece as Buffer).length
    if (bytes !== jobBytes) throw new Error(`a job of ${jobBytes} bytes brought ${bytes}`)
    jobs++
  }
  return jobs
}
