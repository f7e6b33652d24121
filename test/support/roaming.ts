// A client whose address changes under a transfer: its own, on a machine of its own, or the one that a NAT shows to the
// server. The stream lives, every byte comes, and nothing stands still for long. Tests and gates share it.

import type { ExecutionContext } from 'ava'
import { startPetrel } from '../cli/petrel.js'
import { testFolder } from '../config/folder.js'
import { token } from './ends.js'
import { readdress, twoMachines } from './namespaces.js'
import { type Nat, startNat } from './nat.js'
import type { Steady } from './steady.js'
import { assertWhole, type Rate, spread, steadyService, steadyVisitor } from './steady-ends.js'
import { startTwoProcesses } from './two-processes.js'

/** Transports whose links outlive an address. */
export type Moving = 'kcp' | 'quic'

export interface Journey {
  /** What the service sends, and the visitor; a client that only receives has a service that sends nothing. */
  readonly service: Rate
  readonly visitor: Rate
  readonly everyMs: number
  readonly mostStallMs: number
}

const serverYaml = `bind_addr: 0.0.0.0
bind_port: 9000
auth_token_file: ./token
port_range_start: 20000
port_range_end: 20000
`

const clientYaml = (server: string, over: string, service: number) => `server: ${server}:9000
token_file: ./token
transport: ${over}
proxies:
  talk: { type: tcp, local_port: ${service}, remote_port: 20000 }
`

/** Between two namespaces. */
export async function moveMachine(t: ExecutionContext, name: Moving, journey: Journey): Promise<void> {
  const [there, here] = twoMachines(t)
  const folder = testFolder(t)
  folder.write('token', `${token}\n`)
  const service = await steadyService(t, journey.service, here.inside)
  const start = (role: string, text: string, inside: readonly string[]) =>
    startPetrel(t, [role, '--json', '--config', folder.write(`${role}.yaml`, text)], {
      home: testFolder(t).path,
      inside,
    })
  const server = start('server', serverYaml, there.inside)
  await server.said('stderr', /"msg":"listening/)
  const client = start('client', clientYaml(there.address, name, service.port), here.inside)
  await client.said('stderr', /"msg":"serving"/)

  const visitor = steadyVisitor(t, { host: there.address, port: 20_000 }, journey.visitor, there.inside)
  const moves: number[] = []
  let machine = here
  const moving = setInterval(() => {
    moves.push(Date.now())
    machine = readdress(machine, `10.77.0.${2 + (moves.length % 200)}`)
  }, journey.everyMs)
  t.teardown(() => clearInterval(moving))
  const ends = await Promise.all([service.result, visitor.result])
  clearInterval(moving)
  judge(t, name, journey, ends, moves)
  client.child.kill('SIGTERM')
  const { stderr } = await client.ended
  t.is(stderr.match(/"msg":"serving"/g)?.length, 1, 'it is the same link')
}

/** Behind a NAT of the test on loopback. */
export async function moveMapping(t: ExecutionContext, name: Moving, journey: Journey): Promise<void> {
  const service = await steadyService(t, journey.service)
  let nat: Nat | undefined
  t.teardown(() => nat?.close())
  const { client, ports } = await startTwoProcesses(t, name, [{ type: 'tcp', port: service.port }], {
    through: async (server) => {
      nat = await startNat(server, journey.everyMs)
      return nat.address
    },
  })
  const visitor = steadyVisitor(t, { host: '127.0.0.1', port: ports[0]! }, journey.visitor)
  const began = Date.now()
  const ends = await Promise.all([service.result, visitor.result])
  judge(t, name, journey, ends, nat?.forgotten.filter((at) => at > began) ?? [])
  client.child.kill('SIGTERM')
  const { stderr } = await client.ended
  t.is(stderr.match(/"msg":"serving"/g)?.length, 1, 'it is the same link')
}

/** For each move the longest stall that began near it; the machine's own are no move's. */
function judge(
  t: ExecutionContext,
  over: Moving,
  journey: Journey,
  ends: readonly [Steady, Steady],
  moves: readonly number[],
) {
  const all = assertWhole(t, ...ends, journey.service.bytes + journey.visitor.bytes)
  const stalls = ends.flatMap((end) => end.stalls)
  const afterMove = moves.map((move) => {
    const near = stalls.filter(({ at, ms }) => at + ms > move && at < move + 2_000)
    return Math.round(Math.max(0, ...near.map(({ ms }) => ms)))
  })
  const machineMs = Math.max(...ends.map((end) => end.machineMs))
  t.log(`${over}: ${moves.length} moves; ms of the longest stall at each: ${afterMove.join(', ')}`)
  t.log(`min / median / max ${spread(afterMove.toSorted((a, b) => a - b))}; all of 100 ms and more: ${spread(all)}; `)
  t.log(`this machine let a process wait ${machineMs} ms`)
  t.true(moves.length > 3)
  t.true((all.at(-1) ?? 0) < journey.mostStallMs + machineMs, `a stall of ${all.at(-1)} ms`)
}
