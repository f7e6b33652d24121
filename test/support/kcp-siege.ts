// A transfer over kcp while an observer on the path and strangers elsewhere throw at both ends what they can make, beside
// the same one without them. A test and a gate share it.

import type { ExecutionContext } from 'ava'
import { attack, type Strength, type Thrown } from './kcp-attack.js'
import { type Observer, startObserver } from './observer.js'
import { assertWhole, type Rate, steadyService, steadyVisitor } from './steady-ends.js'
import { startTwoProcesses, type TwoProcesses } from './two-processes.js'

export interface Siege {
  readonly rate: Rate
  readonly strength: Strength
}

/** Below this a stall is the machine's, whoever attacks: two runs without an attack differ by more than three times. */
const floorMs = 300

/** Every byte comes, nothing stands still for longer than three times what it does in peace, and what was recorded is
 *  worth nothing after the link. */
export async function standObserver(t: ExecutionContext, siege: Siege): Promise<void> {
  const quiet = await transfer(t, siege, false)
  for (const { child, ended } of [quiet.client, quiet.server]) {
    child.kill('SIGTERM')
    await ended
  }
  const loud = await transfer(t, siege, true)
  const { server, client, observer, thrown } = loud
  t.log(`thrown: ${JSON.stringify(thrown?.counts)}; to the stranger came ${JSON.stringify(observer.heard)}`)
  t.log(`longest stall, ms (0: less than 100): ${quiet.longestMs} without, ${loud.longestMs} with; `)
  t.log(`the machine let a process wait ${quiet.machineMs} and ${loud.machineMs} ms`)
  t.true(loud.longestMs <= Math.max(3 * quiet.longestMs, floorMs, 3 * loud.machineMs))

  client.child.kill('SIGTERM')
  const { stderr } = await client.ended
  t.is(stderr.match(/"msg":"serving"/g)?.length, 1, 'it is the same link')
  await server.said('stderr', /"msg":"client disconnected"/)
  const before = { ...observer.heard }
  const began = performance.now()
  for (const [n, packet] of observer.seen.up.slice(-siege.strength.replays).entries()) {
    observer.toServer(packet, n % 2 === 0 ? 'client' : 'elsewhere')
    if (n % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await new Promise((resolve) => setTimeout(resolve, 500))
  const seconds = (performance.now() - began) / 1000
  const answers = observer.heard.packets - before.packets
  t.log(`after the link: ${answers} answers to replayed packets in ${seconds.toFixed(1)} s`)
  t.true(answers <= 100 * (seconds + 1), `${answers} answers`)
  t.is(server.child.exitCode, null, 'the server lives')
  server.child.kill('SIGTERM')
  const end = await server.ended
  t.is(end.code, 0, end.stderr)
  t.is(end.stderr.match(/"msg":"client connected"/g)?.length, 1, 'nobody else became a client')
}

interface Outcome extends TwoProcesses {
  readonly observer: Observer
  readonly longestMs: number
  readonly machineMs: number
  readonly thrown: Thrown | undefined
}

async function transfer(t: ExecutionContext, { rate, strength }: Siege, isAttacked: boolean): Promise<Outcome> {
  const service = await steadyService(t, rate)
  let watching: Observer | undefined
  t.teardown(() => watching?.close())
  const processes = await startTwoProcesses(t, 'kcp', [{ type: 'tcp', port: service.port }], {
    through: async (server) => {
      watching = await startObserver(server, strength.replays)
      return watching.address
    },
  })
  const observer = watching!
  const thrown = isAttacked ? attack(observer, strength) : undefined
  t.teardown(() => thrown?.stop())
  const visitor = steadyVisitor(t, { host: '127.0.0.1', port: processes.ports[0]! }, rate)
  const ends = await Promise.all([service.result, visitor.result])
  thrown?.stop()
  const stalls = assertWhole(t, ...ends, 2 * rate.bytes)
  const machineMs = Math.max(...ends.map((end) => end.machineMs))
  return { ...processes, observer, thrown, longestMs: stalls.at(-1) ?? 0, machineMs }
}
