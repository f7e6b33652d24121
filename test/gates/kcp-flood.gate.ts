// Strangers in numbers at a server's UDP port: first packets that look like a client's, and bytes that look like nothing.
// A client comes in all the same, the server holds no more than before, and says next to nothing.

import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { hasAddon } from '../../src/transport/native/binding.js'
import type { Address } from '../../src/transport/transport.js'
import { startPetrel } from '../cli/petrel.js'
import { testFolder } from '../config/folder.js'
import { token } from '../support/ends.js'
import type { FloodReport, FloodSettings } from '../support/flood.js'
import { takeSamples } from '../support/fuzz.js'
import { askEcho } from '../support/ground.js'
import { openFirst, sealFirst } from '../support/kcp-packets.js'
import { declare } from '../support/over.js'
import { residentBytes } from '../support/resources.js'
import { spread } from '../support/steady-ends.js'
import { tcpServer } from '../support/tcp.js'
import { startTwoProcesses } from '../support/two-processes.js'

const mostGrownBytes = 32 * 1024 * 1024
/** Back is back within this: the heap of a process never has the size of the beginning to the byte. */
const slackBytes = 8 * 1024 * 1024
const connectsWithinMs = 3_000
/** From the last packet until every handshake that it began has met its deadline. */
const forgottenMs = 13_000

const needs = { serial: true, timeoutMs: 300_000, unless: hasAddon() ? '' : 'the addon is not built' }
const mib = (bytes: number) => (bytes / 1024 / 1024).toFixed(1)

/** In a process of its own. */
async function flood(t: ExecutionContext, settings: FloodSettings): Promise<FloodReport> {
  const file = testFolder(t).write('flood.json', JSON.stringify(settings))
  const child = spawn(process.execPath, [join(process.cwd(), 'dist/test/support/flood.js'), file])
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      said += chunk
    })
  }
  await once(child, 'close')
  const line = /^\{.*\}$/m.exec(said)?.[0]
  if (line === undefined) throw new Error(said)
  return JSON.parse(line) as FloodReport
}

/** A client that comes and goes: ms from its start until it serves. */
async function comeIn(t: ExecutionContext, server: Address, service: number): Promise<number> {
  const folder = testFolder(t)
  folder.write('token', `${token}\n`)
  const config = folder.write(
    'client.yaml',
    `server: 127.0.0.1:${server.port}\ntoken_file: ./token\ntransport: kcp\nproxies:\n  again: { type: tcp, local_port: ${service}, remote_port: 0 }\n`,
  )
  const began = performance.now()
  const client = startPetrel(t, ['client', '--json', '--config', config], { home: testFolder(t).path })
  await client.said('stderr', /"msg":"serving"/)
  const ms = performance.now() - began
  client.child.kill('SIGTERM')
  await client.ended
  return Math.round(ms)
}

async function ground(t: ExecutionContext) {
  const echo = await tcpServer((socket) => socket.pipe(socket))
  t.teardown(() => echo.close())
  const { server, listening, ports } = await startTwoProcesses(t, 'kcp', [{ type: 'tcp', port: echo.port }])
  await askEcho(ports[0]!, 'ready')
  return { server, listening, port: ports[0]!, service: echo.port, pid: server.child.pid! }
}

declare(
  'kcp: 20,000 forged first packets a second for a minute keep nobody out and cost no memory',
  async (t) => {
    const { server, listening, port, service, pid } = await ground(t)
    const flight = (await takeSamples('kcp')).udpPackets[0]!
    const quiet: number[] = []
    for (let n = 0; n < 3; n++) quiet.push(await comeIn(t, listening, service))
    await sleep(1_000)
    const before = residentBytes(pid)
    let most = before
    const looking = setInterval(() => {
      most = Math.max(most, residentBytes(pid))
    }, 200)
    const flooding = flood(t, {
      port: listening.port,
      kind: 'first',
      packets: 1_200_000,
      aSecond: 20_000,
      flight: flight.toString('base64'),
      sources: 300,
    })
    let isOver = false
    void flooding.finally(() => {
      isOver = true
    })
    const took: number[] = []
    await sleep(5_000)
    while (!isOver) {
      took.push(await comeIn(t, listening, service))
      await askEcho(port, `question ${took.length}`)
      await sleep(3_000)
    }
    const report = await flooding
    clearInterval(looking)
    await sleep(forgottenMs)
    const after = residentBytes(pid)
    t.log(
      `${report.sent} packets in ${report.seconds.toFixed(0)} s: ${Math.round(report.sent / report.seconds)} a second`,
    )
    t.log(`a client serves after, ms, min / median / max: ${spread(quiet.toSorted((a, b) => a - b))} quiet, `)
    t.log(`${spread(took.toSorted((a, b) => a - b))} in the flood (${took.length} clients), Node's start included`)
    t.log(`resident MiB: ${mib(before)} before, ${mib(most)} at most, ${mib(after)} after`)
    t.log(
      `answers ${JSON.stringify(report.answers)}; bytes back for each byte sent: ${report.amplification.toFixed(3)}`,
    )
    t.true(report.sent / report.seconds > 10_000, 'too little of a flood')
    t.true(Math.max(...took) < connectsWithinMs, `${took}`)
    t.true(most - before <= mostGrownBytes, `${mib(most - before)} MiB more`)
    t.true(after - before <= slackBytes, `${mib(after - before)} MiB kept`)
    t.true(report.amplification <= 3)
    t.is(server.child.exitCode, null)
  },
  needs,
)

declare(
  'quic, kcp: to a million random datagrams the server says little, in short, and rarely',
  async (t) => {
    const { server, listening, port } = await ground(t)
    const report = await flood(t, {
      port: listening.port,
      kind: 'random',
      packets: 1_000_000,
      aSecond: 40_000,
      sources: 16,
    })
    await askEcho(port, 'still there')
    t.log(`${report.sent} datagrams in ${report.seconds.toFixed(0)} s; answers ${JSON.stringify(report.answers)}`)
    t.log(`at most ${report.mostASecond} in one second; longer than what they answer: ${report.tooLong}`)
    const kinds = ['kcp versions', 'kcp reset', 'quic versions', 'quic reset']
    t.deepEqual(
      Object.keys(report.answers).filter((kind) => !kinds.includes(kind)),
      [],
    )
    t.is(report.tooLong, 0)
    const count = Object.values(report.answers).reduce((sum, each) => sum + each, 0)
    t.true(count > 0)
    // As they arrive: a process that waited reads those of a little more than a second.
    t.true(report.mostASecond <= 110, `${report.mostASecond} answers in a second`)
    t.is(server.child.exitCode, null)
  },
  needs,
)

declare(
  'kcp: who never answers gets at most three times what came from him',
  async (t) => {
    const { listening } = await ground(t)
    const first = openFirst((await takeSamples('kcp')).udpPackets[0]!)
    const ratios = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const socket = createSocket('udp4')
        socket.bind(0, '127.0.0.1')
        await once(socket, 'listening')
        let back = 0
        socket.on('message', (packet) => {
          back += packet.length
        })
        const to = Buffer.from(Array.from({ length: 8 }, () => Math.random() * 256))
        const packet = sealFirst({ ...first, to, counter: 0n })
        socket.send(packet, listening.port, listening.host)
        await sleep(forgottenMs)
        socket.close()
        return back / packet.length
      }),
    )
    t.log(`bytes back for each byte sent, min / median / max: ${spread(ratios.sort((a, b) => a - b))}`)
    t.true(ratios[0]! > 0, 'nobody was answered: these were no first packets')
    t.true(ratios.at(-1)! <= 3)
  },
  needs,
)
