// A server under attack by strangers, beside a client of its own: what both have to show for it. A test and a gate
// share it, so that the gate is the same test for longer.

import type { ExecutionContext } from 'ava'
import type { Transport } from '../../src/transport/transport.js'
import { fuzz, takeSamples } from './fuzz.js'
import { askEcho, eventually } from './ground.js'
import { descriptorsOf, residentBytes } from './resources.js'
import { tcpServer } from './tcp.js'
import { startTwoProcesses } from './two-processes.js'

export interface Siege {
  readonly rounds: number
  readonly roundMs: number
  readonly seed: number
  /** What the server may hold after the later half of its rounds over what it held after the others, medians: heaps find
   *  their size late, so the first quarter does not count, and what they hold of it differs by 20 MB from look to look. */
  readonly mostGrownBytes: number
}

/** Lines that a stranger makes a server write go to a disk: some a second, not some a visit. */
const mostLogBytesASecond = 20_000

/** Attacks for twice halfMs and asks the healthy client's visitor all the time. */
export async function standStrangers(t: ExecutionContext, over: Transport, siege: Siege): Promise<void> {
  const { rounds, roundMs, seed } = siege
  const echo = await tcpServer((socket) => socket.pipe(socket))
  t.teardown(() => echo.close())
  const { server, client, listening, ports } = await startTwoProcesses(t, over.name, [{ type: 'tcp', port: echo.port }])
  const pid = server.child.pid!
  const samples = await takeSamples(over.name)
  await askEcho(ports[0]!, 'ready')
  const quiet = await lowest(() => descriptorsOf(pid))
  let logged = 0
  server.child.stderr?.on('data', (text: string) => {
    logged += text.length
  })

  let asked = 0
  let slowestMs = 0
  let isOver = false
  const asking = (async () => {
    while (!isOver) {
      const began = performance.now()
      await askEcho(ports[0]!, `question ${asked++}`)
      slowestMs = Math.max(slowestMs, performance.now() - began)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()

  const held: number[] = []
  const reports = []
  for (let round = 0; round < rounds; round++) {
    reports.push(await fuzz(listening, samples, { seed: seed + round, ms: roundMs, atOnce: 16 }))
    await eventually(() => descriptorsOf(pid) <= quiet + 2) // a question may be under way
    held.push(await lowest(() => residentBytes(pid)))
  }
  isOver = true
  await t.notThrowsAsync(asking, 'the healthy client was harmed')
  await eventually(() => descriptorsOf(pid) === quiet)
  t.is(descriptorsOf(pid), quiet, 'descriptors of the server')
  t.is(server.child.exitCode, null, 'the server lives')
  t.is(client.child.exitCode, null, 'the client lives')
  const warm = held.slice(Math.floor(rounds / 4))
  const half = Math.ceil(warm.length / 2)
  const grown = median(warm.slice(-half)) - median(warm.slice(0, half))
  t.log(`resident after each round, MB: ${held.map((bytes) => Math.round(bytes / 1e6)).join(', ')}`)
  t.true(grown < siege.mostGrownBytes, `the server holds ${grown} bytes more later on`)
  t.true(logged < (mostLogBytesASecond * rounds * roundMs) / 1000, `strangers made the server log ${logged} bytes`)
  const visits = reports.flatMap((report) => Object.values(report.visits)).reduce((sum, each) => sum + each, 0)
  const datagrams = reports.reduce((sum, report) => sum + report.datagrams, 0)
  t.true(visits > 10 && asked > 10)
  t.log(`seed ${seed}: ${visits} connections and ${datagrams} datagrams; ${asked} questions answered, `)
  t.log(`the slowest in ${Math.round(slowestMs)} ms; logged ${logged} bytes`)
}

const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!

/** The least of what is seen within two seconds: what is about to be let go of does not count. */
async function lowest(look: () => number): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let looks = 0; looks < 20; looks++) {
    least = Math.min(least, look())
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return least
}
