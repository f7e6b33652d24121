// The link emulator with the kernel's own UDP and TCP on it. Builds it first, which `npm run build` does not.

import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import {
  type Counts,
  Emulator,
  type End,
  emulatorPath,
  inside,
  type WayCounts,
  whyNoEmulator,
} from '../../scripts/bench/emulator.js'
import { Processes, sibling } from '../../scripts/bench/processes.js'
import type { Answer, Bulk, Order } from '../../scripts/bench/visitor.js'
import { testFolder } from '../config/folder.js'
import { whyNoNamespaces } from '../support/namespaces.js'
import { declare, programPath } from '../support/over.js'

const unless =
  whyNoEmulator() || whyNoNamespaces() || (programPath('cargo') === undefined ? 'cargo is not installed' : '')
const needs = { unless, serial: true, timeoutMs: 120_000, programs: ['ip'] }
let program = ''

test.before(async (t) => {
  // On a cold target folder; the crates come from the registry.
  t.timeout(600_000)
  if (unless === '') program = await emulatorPath()
})

async function start(t: ExecutionContext): Promise<Emulator> {
  const emulator = await Emulator.start(program)
  t.teardown(() => emulator.stop())
  return emulator
}

const script = (name: string) => sibling(`../../test/support/${name}`)

/** How long each of `count` datagrams took from the client to the server and back, ms; those that came back. */
async function probe(t: ExecutionContext, { server, client }: Emulator, count: number, perMs = 1): Promise<number[]> {
  const processes = new Processes(testFolder(t).path)
  const run = (end: End, args: readonly string[]) => [...inside(end), process.execPath, script('datagrams.js'), ...args]
  const [ip = '', ...echo] = run(server, ['echo', server.address, '7'])
  const child = processes.start('echo', ip, echo)
  await once(child.stdout!, 'data')
  const [, ...args] = run(client, ['probe', server.address, '7', `${count}`, `${perMs}`])
  const { stdout } = await promisify(execFile)(ip, args)
  await processes.close()
  return JSON.parse(stdout)
}

/** TCP in bulk from the client to the server, and echoes beside it. */
async function fetchInBulk(t: ExecutionContext, { server, client }: Emulator, ms: number): Promise<Bulk> {
  const processes = new Processes(testFolder(t).path)
  const { port } = await processes.listening('service', 'service.js', [client.address], inside(client))
  const visitor = processes.fork('visitor.js', [], inside(server))
  visitor.send({ kind: 'bulk', host: client.address, port, ms, fetches: true } satisfies Order)
  const [{ bulk, error }] = (await once(visitor, 'message')) as [Answer]
  await processes.close()
  if (bulk === undefined) throw new Error(error)
  return bulk
}

function assertSum(t: ExecutionContext, { ways }: Counts): void {
  for (const way of [ways.up, ways.down]) {
    const { entered, delivered, queue, loss, outage, mtu, policer, in_flight } = way
    const dropped = queue.packets + loss.packets + outage.packets + mtu.packets + policer.packets
    t.is(entered.packets, delivered.packets + dropped + in_flight)
    t.deepEqual([way.overflowed, way.refused], [0, 0])
  }
}

/** Doubts but for those that only say how busy this machine is. */
const unaccounted = ({ doubts }: Counts) => doubts.filter((text) => /^(up|down): /.test(text))

declare(
  'a datagram is back after the delay of both ways and not before',
  async (t) => {
    const emulator = await start(t)
    await emulator.set({ way: 'up', delay_ms: 30 })
    await emulator.set({ way: 'down', delay_ms: 50 })
    const took = await probe(t, emulator, 50)
    t.is(took.length, 50)
    const median = took.sort((a, b) => a - b)[25] ?? 0
    t.true((took[0] ?? 0) >= 80 && median < 80 * 5, `${took[0]} to ${median} ms`)
  },
  needs,
)

declare(
  'packets are lost as often as is set, and in that way alone',
  async (t) => {
    const emulator = await start(t)
    await emulator.set({ way: 'up', loss: 0.2 })
    const came = await probe(t, emulator, 4_000, 4)
    const counts = await emulator.counts()
    const { entered, loss, delivered } = counts.ways.up
    const ratio = loss.packets / entered.packets
    // Four standard deviations of so many draws.
    t.true(Math.abs(ratio - 0.2) < 4 * Math.sqrt((0.2 * 0.8) / 4_000), `${ratio}`)
    t.is(entered.packets, 4_000)
    t.is(counts.ways.down.loss.packets, 0)
    t.true(came.length <= delivered.packets)
    assertSum(t, counts)
    t.deepEqual(unaccounted(counts), [])
  },
  needs,
)

declare(
  "the kernel's TCP gets at most the rate, and what its queue drops is counted",
  async (t) => {
    const emulator = await start(t)
    // A queue of eight packets: slow start alone overflows it.
    await emulator.set({ rate_mbit: 20, delay_ms: 10, queue_bytes: 12_000 })
    await emulator.mark()
    const { bytes, ms, echoUs } = await fetchInBulk(t, emulator, 3_000)
    const mbit = (bytes * 8) / ms / 1_000
    t.true(mbit < 20 && mbit > 20 / 5, `${mbit} Mbit/s`)
    t.true((echoUs[0] ?? 0) >= 20_000, `${echoUs[0]} us`)
    const counts = await emulator.counts()
    const { queue, delivered } = counts.ways.up
    t.true(queue.packets > 0)
    t.true(delivered.bytes >= bytes)
    t.true(counts.late.count > 0 && counts.control.count > 0 && counts.cpu_s > 0)
    assertSum(t, counts)
    t.deepEqual(unaccounted(counts), [])
  },
  needs,
)

declare(
  'nothing passes in an outage, and everything after it',
  async (t) => {
    const emulator = await start(t)
    await emulator.outage(60_000, 'down')
    t.deepEqual(await probe(t, emulator, 20), [])
    const { up, down } = (await emulator.counts()).ways
    const packets = ({ delivered, outage }: WayCounts) => [delivered.packets, outage.packets]
    t.deepEqual(
      [packets(up), packets(down)],
      [
        [20, 0],
        [0, 20],
      ],
    )
    const another = await start(t)
    await another.outage(50)
    await wait(100)
    t.is((await probe(t, another, 20)).length, 20)
  },
  needs,
)

declare(
  'a policer lets its burst pass, and a gap comes again by itself',
  async (t) => {
    const emulator = await start(t)
    // Packets of 128 bytes with their headers: ten pass, and one more each 100 s.
    await emulator.set({ way: 'up', police_mbit: 0.00001024, police_bytes: 1280 })
    t.is((await probe(t, emulator, 100)).length, 10)
    const { policer } = (await emulator.counts()).ways.up
    t.is(policer.packets, 90)
    await emulator.set({ police_mbit: 0, gap_ms: 99, gap_every_ms: 100 })
    const came = (await probe(t, emulator, 500)).length
    t.true(came < 250, `${came} of 500`)
    const counts = await emulator.counts()
    t.true(counts.ways.up.outage.packets > 250)
    assertSum(t, counts)
  },
  needs,
)

declare(
  'packets that the kernel drops since nobody reads its device make the run one to doubt',
  async (t) => {
    const emulator = await start(t)
    process.kill(emulator.pid, 'SIGSTOP')
    // Its queue holds 10,000.
    await probe(t, emulator, 10_500, 100)
    process.kill(emulator.pid, 'SIGCONT')
    const counts = await emulator.counts()
    t.is(counts.ways.up.overflowed, 500)
    t.deepEqual(unaccounted(counts), ['up: the device dropped 500 packets before we read them'])
  },
  needs,
)

declare(
  'a setting that makes no sense is refused with a reason',
  async (t) => {
    const emulator = await start(t)
    await t.throwsAsync(emulator.set({ loss: 2 }), { message: 'loss is 2, not from 0 to 1' })
    await t.throwsAsync(emulator.set({ loss: 0.9, loss_burst: 2 }), { message: /no bursts of 2 packets/ })
    await t.throwsAsync(emulator.set({ gap_ms: 20, gap_every_ms: 10 }), {
      message: 'a gap of 20ms does not fit into 10ms',
    })
    await t.throwsAsync(emulator.preset('moon'), { message: /^no preset moon; known: starlink, geo, lte, wifi$/ })
    await emulator.preset('geo')
    const [took = 0] = await probe(t, emulator, 1)
    t.true(took === 0 || took >= 600, `${took} ms`)
  },
  needs,
)

const namespaces = () => execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })

declare(
  'the namespaces go with the emulator, and those of a killed one when the next starts',
  async (t) => {
    const emulator = await start(t)
    const { pid, server } = emulator
    t.true(namespaces().includes(server.namespace))
    process.kill(pid, 'SIGKILL')
    while (isAlive(pid)) await wait(20)
    t.true(namespaces().includes(server.namespace))
    const next = await start(t)
    t.false(namespaces().includes(`-${pid}-`))
    await next.stop()
    t.false(namespaces().includes(`-${next.pid}-`))
  },
  needs,
)

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}
