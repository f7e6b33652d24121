// A client whose address changes under a transfer: its own, on a machine of its own, and the one that a NAT shows to the
// server. Streams live, every byte comes, and nothing stands still for long.

import type { ExecutionContext } from 'ava'
import { hasAddon } from '../../src/transport/native/binding.js'
import { startPetrel } from '../cli/petrel.js'
import { testFolder } from '../config/folder.js'
import { token } from '../support/ends.js'
import { readdress, twoMachines, whyNoNamespaces } from '../support/namespaces.js'
import { type Nat, startNat } from '../support/nat.js'
import { declare } from '../support/over.js'
import type { Steady } from '../support/steady.js'
import { assertWhole, spread, steadyService, steadyVisitor } from '../support/steady-ends.js'
import { startTwoProcesses } from '../support/two-processes.js'

/** 20 Mbit/s, 50 MB each way. */
const rate = { bytes: 50_000_000, bytesASecond: 2_500_000 }
const everyMs = 5_000
/** kcp's promise. QUIC's engine probes by its own clock: its streams live, and the figures are told. */
const mostStallMs = { kcp: 1_000, quic: 10_000 } as const

const withoutAddon = hasAddon() ? '' : 'the addon is not built'

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

/** For each move the longest stall that began near it; the machine's own are no move's. */
function judge(t: ExecutionContext, over: 'kcp' | 'quic', ends: readonly [Steady, Steady], moves: readonly number[]) {
  const all = assertWhole(t, ...ends, rate)
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
  t.true((all.at(-1) ?? 0) < mostStallMs[over] + machineMs, `a stall of ${all.at(-1)} ms`)
}

for (const name of ['kcp', 'quic'] as const)
  declare(
    `${name}: the client has another address every 5 s during 100 MB: streams live`,
    async (t) => {
      const [there, here] = twoMachines(t)
      const folder = testFolder(t)
      folder.write('token', `${token}\n`)
      const service = await steadyService(t, rate, here.inside)
      const start = (role: string, text: string, inside: readonly string[]) =>
        startPetrel(t, [role, '--json', '--config', folder.write(`${role}.yaml`, text)], {
          home: testFolder(t).path,
          inside,
        })
      const server = start('server', serverYaml, there.inside)
      await server.said('stderr', /"msg":"listening/)
      const client = start('client', clientYaml(there.address, name, service.port), here.inside)
      await client.said('stderr', /"msg":"serving"/)

      const visitor = steadyVisitor(t, { host: there.address, port: 20_000 }, rate, there.inside)
      const moves: number[] = []
      let machine = here
      const moving = setInterval(() => {
        moves.push(Date.now())
        machine = readdress(machine, `10.77.0.${2 + (moves.length % 200)}`)
      }, everyMs)
      t.teardown(() => clearInterval(moving))
      const ends = await Promise.all([service.result, visitor.result])
      clearInterval(moving)
      judge(t, name, ends, moves)
      client.child.kill('SIGTERM')
      const { stderr } = await client.ended
      t.is(stderr.match(/"msg":"serving"/g)?.length, 1, 'it is the same link')
    },
    { serial: true, timeoutMs: 180_000, unless: withoutAddon || whyNoNamespaces() },
  )

for (const name of ['kcp', 'quic'] as const)
  for (const livesMs of [5_000, 2_000]) {
    declare(
      `${name}: a NAT forgets its mapping every ${livesMs / 1000} s during 100 MB: streams live`,
      async (t) => {
        const service = await steadyService(t, rate)
        let nat: Nat | undefined
        t.teardown(() => nat?.close())
        const { client, ports } = await startTwoProcesses(t, name, [{ type: 'tcp', port: service.port }], {
          through: async (server) => {
            nat = await startNat(server, livesMs)
            return nat.address
          },
        })
        const visitor = steadyVisitor(t, { host: '127.0.0.1', port: ports[0]! }, rate)
        const began = Date.now()
        const ends = await Promise.all([service.result, visitor.result])
        judge(t, name, ends, nat?.forgotten.filter((at) => at > began) ?? [])
        client.child.kill('SIGTERM')
        const { stderr } = await client.ended
        t.is(stderr.match(/"msg":"serving"/g)?.length, 1, 'it is the same link')
      },
      { serial: true, timeoutMs: 180_000, unless: withoutAddon },
    )
  }
