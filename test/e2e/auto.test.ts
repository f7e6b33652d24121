// `transport: auto` on networks that let only some of it through: two machines, the real binary on both, and a firewall
// before the server. Whatever is left serves within 2 s of the client's start, and the server has one session.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import { hasAddon } from '../../src/transport/native/binding.js'
import type { TransportName } from '../../src/transport/transport.js'
import { type Running, runPetrel, startPetrel } from '../cli/petrel.js'
import { testFolder } from '../config/folder.js'
import { token } from '../support/ends.js'
import { block, type Machine, twoMachines, whyNoFirewall } from '../support/namespaces.js'
import { declare } from '../support/over.js'
import { daemon, run } from '../support/programs.js'

const port = 9000
const kcpPort = 9001
const publicPort = 20_000
const servicePort = 7000
const withinMs = 2_000
/** A machine that does much else is slow to start a program: the quickest of so many starts counts, and what a bare
 *  start of the binary takes here beyond that of an idle machine is no fault of the race. */
const starts = 8
const bareStartMs = 300

interface Network {
  readonly title: string
  /** Rules of nft(8) at the server. */
  readonly rules?: readonly string[]
  /** What stands in both configurations besides. */
  readonly keys?: string
  readonly serverEnv?: Record<string, string>
  readonly clientEnv?: Record<string, string>
  readonly over: TransportName
  /** What the client says of it, in one line; none where the first came through. */
  readonly because?: RegExp
}

const without = { PETREL_NATIVE: 'off' }
/** The first byte of a packet tells QUIC from KCP (RFC 9443): QUIC has the fixed bit. */
const isQuic = '@th,64,8 & 0x40 == 0x40'
const silent = (name: TransportName) => `${name} did not answer within \\d+ ms`
const noAnswer = new RegExp(`^over tls: ${silent('quic')}, ${silent('kcp')} \\(UDP blocked\\?\\)$`)
const overKcp = new RegExp(`^over kcp: ${silent('quic')}$`)
const bothFailed = /^over tls: quic failed \(.*nobody listens on that UDP port.*\), kcp failed \(.*\)$/

const networks: readonly Network[] = [
  { title: 'everything passes', over: 'quic' },
  { title: 'UDP is dropped', rules: [`udp dport ${port} drop`], over: 'tls', because: noAnswer },
  {
    title: 'UDP is refused',
    rules: [`udp dport ${port} reject`],
    over: 'tls',
    because: bothFailed,
  },
  { title: 'of UDP only QUIC passes', rules: [`udp dport ${port} @th,64,8 & 0x40 == 0 drop`], over: 'quic' },
  {
    title: 'of UDP everything but QUIC passes',
    rules: [`udp dport ${port} ${isQuic} drop`],
    over: 'kcp',
    because: overKcp,
  },
  {
    title: 'TCP is dropped and of UDP only QUIC passes',
    rules: [`udp dport ${port} @th,64,8 & 0x40 == 0 drop`, `tcp dport ${port} drop`],
    over: 'quic',
  },
  {
    title: 'TCP is dropped and of UDP everything but QUIC passes',
    rules: [`udp dport ${port} ${isQuic} drop`, `tcp dport ${port} drop`],
    over: 'kcp',
    because: overKcp,
  },
  {
    title: 'kcp has a port of its own and the other is closed to UDP and TCP',
    keys: `kcp_port: ${kcpPort}\n`,
    rules: [`udp dport ${port} drop`, `tcp dport ${port} drop`],
    over: 'kcp',
    because: overKcp,
  },
  { title: 'TCP is dropped', rules: [`tcp dport ${port} drop`], over: 'quic' },
  { title: 'TCP is refused', rules: [`tcp dport ${port} reject with tcp reset`], over: 'quic' },
  {
    title: 'the server has no addon',
    serverEnv: without,
    over: 'tls',
    because: bothFailed,
  },
  {
    title: 'the server has no addon and does not say so',
    serverEnv: without,
    rules: [`udp dport ${port} drop`],
    over: 'tls',
    because: noAnswer,
  },
  { title: 'the client has no addon', clientEnv: without, over: 'tls' },
]

interface Line {
  readonly level: string
  readonly msg: string
  readonly transport?: string
}

const linesOf = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)

const serverYaml = (bind: string) => `bind_addr: "${bind}"
bind_port: ${port}
auth_token_file: ./token
port_range_start: ${publicPort}
port_range_end: ${publicPort}
log: { level: debug }
`

const clientYaml = (server: string) => `server: ${server}:${port}
token_file: ./token
proxies:
  door: { type: tcp, local_port: ${servicePort}, remote_port: ${publicPort} }
`

interface Started {
  readonly client: Running
  readonly ms: number
  readonly over: string
  /** Soon enough for 2 s on an idle machine. */
  readonly isInTime: boolean
}

interface Scene {
  readonly server: Running
  /** Starts it again, as it was. */
  restart(): Promise<Running>
  readonly machines: readonly [Machine, Machine]
  /** Starts the client; how long it took until it serves, over what, and what it says of that. */
  start(clientEnv?: Record<string, string>): Promise<Started>
}

/** A server that listens and, on the other machine, a service. name: by which the client calls the server. */
async function setUp(t: ExecutionContext, network: Partial<Network>, bind: string, name?: string): Promise<Scene> {
  const machines = twoMachines(t)
  const [there, here] = machines
  const folder = testFolder(t)
  folder.write('token', `${token}\n`)
  const { keys = '' } = network
  const config = folder.write('server.yaml', serverYaml(bind) + keys)
  const home = testFolder(t).path
  const restart = async () => {
    const { serverEnv: env = {} } = network
    const args = ['server', '--json', '--config', config]
    const server = startPetrel(t, args, { home, inside: there.inside, env })
    await server.said('stderr', /"msg":"listening/)
    return server
  }
  const server = await restart()
  if (network.rules !== undefined) block(there, network.rules)
  const script = `require('net').createServer((s) => s.end('behind NAT')).listen(${servicePort}, () => console.log('up'))`
  await daemon(t, here.inside[0]!, [...here.inside.slice(1), process.execPath, '-e', script], /up/)
  const file = folder.write('client.yaml', clientYaml(name ?? there.address) + keys)
  return {
    server,
    restart,
    machines,
    async start(env = {}) {
      const home = testFolder(t).path
      const before = performance.now()
      await runPetrel(t, ['version'], { home, inside: here.inside, env })
      const began = performance.now()
      const busyMs = Math.max(0, began - before - bareStartMs)
      const client = startPetrel(t, ['client', '--json', '--config', file], { home, inside: here.inside, env })
      const [line] = await client.said('stdout', /^\{.*"event":"serving".*\}$/m)
      const ms = performance.now() - began
      const { transport: over } = JSON.parse(line) as { transport: string }
      return { client, ms, over, isInTime: ms < withinMs + busyMs }
    },
  }
}

/** What a visitor of the public port hears. */
async function visit(t: ExecutionContext, { inside, address }: Machine): Promise<string> {
  const script = `require('net').connect(${publicPort}, '${address}').pipe(process.stdout)`
  const ended = await run(t, inside[0]!, [...inside.slice(1), process.execPath, '-e', script])
  return `${ended.stdout}`
}

/** TCP connections that stand or are being made at the server's port for links. */
async function connections(t: ExecutionContext, { inside }: Machine): Promise<number> {
  const ended = await run(t, inside[0]!, [...inside.slice(1), 'ss', '-Htn', `sport = :${port}`])
  return `${ended.stdout}`.split('\n').filter((line) => /^(ESTAB|SYN-RECV|CLOSE-WAIT)/.test(line)).length
}

const unless = whyNoFirewall() || (hasAddon() ? '' : 'without the addon there is nothing to choose from')
const needs = { unless, programs: ['ss'], serial: true, timeoutMs: 60_000 }

for (const network of networks) {
  declare(
    `auto: where ${network.title}, ${network.over} serves within 2 s, and the server has one session`,
    async (t) => {
      const { server, machines, start } = await setUp(t, network, '0.0.0.0')
      const [there] = machines
      const took: number[] = []
      let wasInTime = false
      while (took.length < starts && !wasInTime) {
        const { client, ms, over, isInTime } = await start(network.clientEnv)
        wasInTime = isInTime
        took.push(Math.round(ms))
        t.is(over, network.over)
        t.is(await visit(t, there), 'behind NAT')
        t.is(await connections(t, there), over === 'tls' ? 1 : 0)
        client.child.kill('SIGTERM')
        const { code, stderr } = await client.ended
        t.is(code, 0, stderr)
        const reasons = linesOf(stderr).filter(({ msg }) => msg.startsWith('over '))
        t.is(reasons.length, network.because === undefined ? 0 : 1, stderr)
        if (network.because !== undefined) t.regex(reasons[0]?.msg ?? '', network.because)
      }
      t.log(`${took.join(', ')} ms`)
      t.true(wasInTime)
      await server.said('stderr', new RegExp(`("msg":"client disconnected"[^]*?){${took.length}}`))
      t.is(await connections(t, there), 0)
      server.child.kill('SIGTERM')
      const { code, stderr } = await server.ended
      t.is(code, 0, stderr)
      const lines = linesOf(stderr)
      const count = (msg: string) => lines.filter((line) => line.msg === msg).length
      t.deepEqual(
        [count('client connected'), count('proxy open'), count('client disconnected')],
        [took.length, took.length, took.length],
      )
      t.true(lines.filter(({ msg }) => msg === 'client connected').every(({ transport }) => transport === network.over))
      t.deepEqual(
        lines.filter(({ level, msg }) => ['warn', 'error'].includes(level) && !msg.includes('addon')),
        [],
      )
    },
    needs,
  )
}

declare(
  'auto: when UDP is blocked and the server comes again, tls takes over, and has the head start from then on',
  async (t) => {
    const { server, restart, machines, start } = await setUp(t, {}, '0.0.0.0')
    const [there] = machines
    const { client, over } = await start()
    t.is(over, 'quic')
    block(there, [`udp dport ${port} drop`])
    let serving = server
    for (const times of [1, 2]) {
      serving.child.kill('SIGTERM')
      await serving.ended
      serving = await restart()
      await client.said('stderr', new RegExp(`("transport":"tls".*"msg":"serving"[\\s\\S]*){${times}}`))
      t.is(await visit(t, there), 'behind NAT')
    }
    client.child.kill('SIGTERM')
    const { stderr } = await client.ended
    // The second time quic was not waited for.
    const reasons = linesOf(stderr).filter(({ msg }) => msg.startsWith('over '))
    t.deepEqual(
      reasons.map(({ transport }) => transport),
      ['tls'],
    )
    t.regex(reasons[0]?.msg ?? '', noAnswer)
  },
  needs,
)

declare(
  'auto: a name whose IPv6 address leads nowhere is served over IPv4 within 2 s',
  async (t) => {
    const name = 'tunnel.test'
    const { machines, server, start } = await setUp(t, {}, '0.0.0.0', name)
    const [there, here] = machines
    // Of this machine only: `ip netns exec` puts it in place of /etc/hosts.
    const own = `/etc/netns/${here.inside.at(-1)}`
    mkdirSync(own, { recursive: true })
    t.teardown(() => rmSync(own, { recursive: true }))
    writeFileSync(`${own}/hosts`, `fd77::1 ${name}\n${there.address} ${name}\n`)
    await run(t, here.inside[0]!, [...here.inside.slice(1), 'ip', 'addr', 'add', 'fd77::2/64', 'dev', 'cable', 'nodad'])
    const took: number[] = []
    let wasInTime = false
    while (took.length < starts && !wasInTime) {
      const { client, ms, over, isInTime } = await start()
      wasInTime = isInTime
      took.push(Math.round(ms))
      t.is(over, 'quic')
      t.is(await visit(t, there), 'behind NAT')
      client.child.kill('SIGTERM')
      await client.ended
    }
    t.log(`${took.join(', ')} ms`)
    t.true(wasInTime)
    await server.said('stderr', /"msg":"client disconnected"/)
  },
  needs,
)
