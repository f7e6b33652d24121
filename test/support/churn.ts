// Visitors that come and go in a row, each in one of the ways in which real ones do; and what must be left of them.

import type { ExecutionContext } from 'ava'
import type { Transport } from '../../src/transport/transport.js'
import { tcpProxy } from './ends.js'
import { startTunnel } from './one-process.js'
import { descriptorsOf, heldHere, liveBytes, residentBytes, settled } from './resources.js'
import { readAll, tcpConnect, tcpServer } from './tcp.js'
import { startTwoProcesses } from './two-processes.js'

/** Visitors at a time: enough to keep both ends busy, few enough to be "one after the other" for a link. */
const atOnce = 8
/** Before the first count: whatever is made once and kept. */
const warmUp = 200
/** What may stay of one visitor: nothing; garbage of the compiler's making does, a little. */
const bytesAVisitor = 256
/** V8 lets garbage lie for a while, so resident memory goes up and down by 50 MiB: low water is compared with low water. */
const residentGrowthBytes = 32 * 1024 * 1024
const samples = 20
/** Visitors until a process has compiled its code and grown its heap to its working size. */
const heatUp = 5_000

/** Opens and closes `visitors` connections through one tunnel in this process and counts what is left. */
export async function churn(t: ExecutionContext, over: Transport, visitors: number): Promise<void> {
  const service = await tcpServer((socket) => socket.pipe(socket))
  t.teardown(() => service.close())
  const { server, client, ports } = await startTunnel(t, over, [tcpProxy('churn', service.port)])
  const isQuiet = () => client.stats()?.openStreams === streamsBefore && server.sessions()[0]?.proxies[0]?.active === 0
  const streamsBefore = client.stats()?.openStreams

  await visit(ports[0]!, warmUp)
  await settled(isQuiet, Boolean, 5_000)
  const before = await settled(heldHere, () => false, 500)
  const bytesBefore = await liveBytes()

  const started = performance.now()
  const failures = await visit(ports[0]!, visitors)
  const seconds = (performance.now() - started) / 1000
  t.deepEqual(failures, [])

  t.true(await settled(isQuiet, Boolean, 5_000), 'streams and visitors are left')
  const isBack = (now: typeof before) => now.descriptors <= before.descriptors && noMore(now.active, before.active)
  const after = await settled(heldHere, isBack, 5_000)
  t.true(isBack(after), `before ${JSON.stringify(before)}, after ${JSON.stringify(after)}`)
  service.sockets.splice(0)
  const grownBytes = (await liveBytes()) - bytesBefore
  t.true(grownBytes < 1024 * 1024 + visitors * bytesAVisitor, `${grownBytes} bytes more than before`)
  const rate = Math.round(visitors / seconds)
  t.log(`${visitors} visitors, ${rate}/s, none failed; descriptors ${before.descriptors} -> ${after.descriptors}, `)
  t.log(`live memory ${Math.round(grownBytes / 1024)} KiB more; active: ${JSON.stringify(after.active)}`)
}

/** The same through two processes of the real binary, of which only the system can tell what they hold. */
export async function churnTwoProcesses(t: ExecutionContext, over: Transport, visitors: number): Promise<void> {
  const service = await tcpServer((socket) => socket.pipe(socket))
  t.teardown(() => service.close())
  const { server, client, ports } = await startTwoProcesses(t, over.name, [{ type: 'tcp', port: service.port }])
  const pids = [server.child.pid!, client.child.pid!]
  const held = () => pids.map(descriptorsOf)
  await visit(ports[0]!, heatUp)
  const before = await settled(held, () => false, 500)

  const started = performance.now()
  const resident: number[][] = []
  for (let sample = 0; sample < samples; sample++) {
    t.deepEqual(await visit(ports[0]!, visitors / samples), [])
    resident.push(pids.map(residentBytes))
  }
  const rate = Math.round((1000 * visitors) / (performance.now() - started))
  const isBack = (now: number[]) => now.every((count, n) => count <= before[n]!)
  const after = await settled(held, isBack, 5_000)
  t.true(isBack(after), `descriptors ${before} before, ${after} after`)
  const low = (of: number[][], n: number) => Math.min(...of.map((bytes) => bytes[n]!))
  const half = samples / 2
  const grown = pids.map((_, n) => low(resident.slice(half), n) - low(resident.slice(0, half), n))
  for (const bytes of grown) t.true(bytes < residentGrowthBytes, `resident memory grew by ${grown}`)
  t.log(`${visitors} visitors, ${rate}/s, none failed; descriptors of server and client ${before} -> ${after}`)
  t.log(`resident memory grew by ${grown.map((bytes) => `${Math.round(bytes / 1024 / 1024)} MiB`).join(' and ')}`)
}

const noMore = (now: Readonly<Record<string, number>>, before: Readonly<Record<string, number>>): boolean =>
  Object.entries(now).every(([name, count]) => count <= (before[name] ?? 0))

/** Resolves with what went wrong, one line each. */
async function visit(port: number, visitors: number): Promise<string[]> {
  const failures: string[] = []
  let next = 0
  const one = async (): Promise<void> => {
    while (next < visitors) {
      const number = next++
      const failure = await visitor(port, number)
      if (failure !== undefined) failures.push(`visitor ${number}: ${failure}`)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
  return failures
}

/** One visitor: most talk and end cleanly, some say nothing, some break off after the answer. */
async function visitor(port: number, number: number): Promise<string | undefined> {
  const socket = await tcpConnect(port)
  if (socket.destroyed) return 'refused'
  const word = number % 8 === 6 ? '' : `hello ${number}`
  if (number % 8 !== 7) {
    socket.end(word)
    const { bytes, how } = await readAll(socket)
    return how === 'end' && bytes.toString() === word ? undefined : `${how} after "${bytes}"`
  }
  socket.write(word)
  const answered = await new Promise<boolean>((resolve) => {
    socket.once('data', () => resolve(true))
    socket.once('close', () => resolve(false))
  })
  socket.resetAndDestroy()
  return answered ? undefined : 'closed without an answer'
}
