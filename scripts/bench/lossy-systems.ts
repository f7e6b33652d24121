// What is measured over the emulated link. Each system carries a visitor in the server's namespace to the service in the
// client's; all are set up as they come, and nothing tells them what the link is like, but where their note says so.

import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeToken } from '../../src/base/token.js'
import { makeCredentials } from '../../src/cli/certificate.js'
import { type End, inside } from './emulator.js'
import { execArgv, type Processes, pidOf, sibling } from './processes.js'
import { find, version } from './systems.js'

export interface Place {
  readonly processes: Processes
  /** A folder of the system's own. */
  readonly folder: string
  readonly server: End
  readonly client: End
  /** The link's. */
  readonly rttMs: number
  /** Resolves when TCP is accepted there, asked in the server's namespace. */
  accepts(host: string, port: number): Promise<void>
}

export interface Running {
  /** Where the visitor connects. */
  readonly host: string
  readonly port: number
  /** The processes whose CPU time counts. */
  readonly pids: readonly number[]
}

export interface System {
  readonly name: string
  /** What it is and what it was set to, for the reader of the figures. */
  readonly note: string
  /** Why it cannot run here. */
  readonly missing?: string
  /** The kernel's congestion control in both namespaces; cubic if left out. */
  readonly congestion?: 'bbr'
  start(place: Place): Promise<Running>
}

/** Each measurement has namespaces of its own, so the ports are always free. */
const linkPort = 9000
const publicPort = 9001
export const servicePort = 9002

/** FOLDER in an argument becomes the system's folder. */
interface Programs {
  files?(place: Place): Record<string, string> | Promise<Record<string, string>>
  server(place: Place): readonly string[]
  client(place: Place): readonly string[]
  /** The server listens on TCP: the client starts when it does. Else it has to try again by itself. */
  readonly announces: boolean
  /** kcptun and hysteria only forward: theirs goes from the visitor to the service. */
  readonly reversed?: boolean
}

/** Two programs, one at each end of the link. */
function pair(name: string, programs: Programs): System['start'] {
  return async (place) => {
    mkdirSync(place.folder, { recursive: true })
    for (const [file, text] of Object.entries((await programs.files?.(place)) ?? {})) {
      writeFileSync(join(place.folder, file), text, { mode: 0o600 })
    }
    // Each program's own folders, so that nothing of the user's is read or changed.
    const home = { HOME: place.folder, XDG_CONFIG_HOME: place.folder }
    const run = (side: 'server' | 'client', end: End) => {
      const line = programs[side](place).map((arg) => arg.replace('FOLDER', place.folder))
      const [enter = '', ...rest] = [...inside(end), ...line]
      return pidOf(place.processes.start(`${name}-${side}`, enter, rest, home))
    }
    const [near, far] = programs.reversed ? [place.client, place.server] : [place.server, place.client]
    const server = run('server', near)
    if (programs.announces) await place.accepts(near.address, linkPort)
    const client = run('client', far)
    return { host: '127.0.0.1', port: publicPort, pids: [server, client] }
  }
}

const missing = (programs: readonly string[], how = '') => {
  const absent = programs.filter((program) => find(program) === undefined)
  return absent.length === 0 ? {} : { missing: `no ${absent.join(' and ')} on PATH${how}` }
}
const builtBy = ' (scripts/bench/peers builds it)'

function kernel(congestion: 'cubic' | 'bbr'): System {
  return {
    name: `tcp ${congestion}`,
    note: `TCP of the kernel with ${congestion.toUpperCase()}, no tunnel`,
    ...(congestion === 'bbr' ? { congestion } : {}),
    start: async ({ client }) => ({ host: client.address, port: servicePort, pids: [] }),
  }
}

/** `petrel 0.1.0 (e7cb7c4)`: what was built, as far as git can tell. */
function petrelVersion(): string {
  const root = sibling('../../..')
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  try {
    const commit = execFileSync('git', ['-C', root, 'describe', '--always', '--dirty'], { stdio: 'pipe' })
    return `petrel ${version} (${commit.toString().trim()})`
  } catch {
    return `petrel ${version}`
  }
}

const notes = { tls: 'TLS 1.3 and yamux, one TCP connection', quic: 'QUIC, one link', kcp: 'sealed KCP, one link' }

/** Of what users know of their link, the one thing that petrel is told. */
const satelliteMs = 600
const profileFor = (rttMs: number): string => (rttMs >= satelliteMs ? 'satellite' : 'default')

function petrel(transport: 'tls' | 'quic' | 'kcp', build: string): System {
  const main = sibling('../../src/cli/main.js')
  const token = makeToken()
  const side = (name: string) => [
    ...[process.execPath, ...execArgv(`petrel-${transport}-${name}`), main],
    ...[name, '--config', `FOLDER/${name}.yaml`],
  ]
  const start = pair(`petrel-${transport}`, {
    files: ({ server, rttMs }) => ({
      token,
      'server.yaml': `profile: ${profileFor(rttMs)}\nbind_addr: 0.0.0.0\nbind_port: ${linkPort}\nproxy_bind_addr: 127.0.0.1\nauth_token_file: ./token\nport_range_start: ${publicPort}\nport_range_end: ${publicPort}\n`,
      'client.yaml': `profile: ${profileFor(rttMs)}\nserver: ${server.address}:${linkPort}\ntoken_file: ./token\ntransport: ${transport}\nproxies:\n  bench: { type: tcp, local_host: 127.0.0.1, local_port: ${servicePort}, remote_port: ${publicPort} }\n`,
    }),
    server: () => side('server'),
    client: () => side('client'),
    announces: true,
  })
  const native = transport !== 'tls' && process.env.PETREL_NATIVE === 'off'
  return {
    name: `petrel ${transport}`,
    note: `${build}, ${notes[transport]}, from ${satelliteMs} ms on with the profile satellite`,
    ...(native ? { missing: 'the native addon is not there' } : {}),
    start,
  }
}

function frp(protocol: 'tcp' | 'kcp' | 'quic'): System {
  const auth = 'auth.token = "bench"\nlog.level = "warn"\n'
  const start = pair(`frp-${protocol}`, {
    files: ({ server }) => ({
      'server.toml': `bindPort = ${linkPort}\nkcpBindPort = ${linkPort}\nquicBindPort = ${linkPort + 100}\nproxyBindAddr = "127.0.0.1"\n${auth}`,
      'client.toml': `serverAddr = "${server.address}"\nserverPort = ${protocol === 'quic' ? linkPort + 100 : linkPort}\nloginFailExit = false\ntransport.protocol = "${protocol}"\n${auth}[[proxies]]\nname = "bench"\ntype = "tcp"\nlocalIP = "127.0.0.1"\nlocalPort = ${servicePort}\nremotePort = ${publicPort}\n`,
    }),
    server: () => [find('frps') ?? '', '-c', 'FOLDER/server.toml'],
    client: () => [find('frpc') ?? '', '-c', 'FOLDER/client.toml'],
    announces: true,
  })
  const note = `frp${version('frp', find('frps'))}, transport.protocol = ${protocol}`
  return { name: `frp ${protocol}`, note, ...missing(['frps', 'frpc'], builtBy), start }
}

function rathole(): System {
  const secret = 'default_token = "bench"'
  const start = pair('rathole', {
    files: ({ server }) => ({
      'server.toml': `[server]\nbind_addr = "0.0.0.0:${linkPort}"\n${secret}\n[server.services.bench]\nbind_addr = "127.0.0.1:${publicPort}"\n`,
      'client.toml': `[client]\nremote_addr = "${server.address}:${linkPort}"\n${secret}\n[client.services.bench]\nlocal_addr = "127.0.0.1:${servicePort}"\n`,
    }),
    server: () => [find('rathole') ?? '', '--server', 'FOLDER/server.toml'],
    client: () => [find('rathole') ?? '', '--client', 'FOLDER/client.toml'],
    announces: true,
  })
  const note = `rathole${version('rathole', find('rathole'))}, plain TCP, a connection a visitor`
  return { name: 'rathole', note, ...missing(['rathole'], builtBy), start }
}

/** Its compression would shrink what the service sends, whose bytes repeat. */
function kcptun(): System {
  const start = pair('kcptun', {
    server: () => [
      ...[find('kcptun-server') ?? '', '--listen', `:${linkPort}`, '--target', `127.0.0.1:${servicePort}`],
      ...['--key', 'bench', '--nocomp', '--quiet'],
    ],
    client: ({ client }) => [
      ...[find('kcptun-client') ?? '', '--localaddr', `127.0.0.1:${publicPort}`],
      ...['--remoteaddr', `${client.address}:${linkPort}`, '--key', 'bench', '--nocomp', '--quiet'],
    ],
    announces: false,
    reversed: true,
  })
  const note = `kcptun${version('kcptun', find('kcptun-server'))}, its mode "fast", compression off; its server is beside the service`
  return { name: 'kcptun', note, ...missing(['kcptun-server', 'kcptun-client'], builtBy), start }
}

/** told: both ends know that the link carries 100 Mbit/s, and send so much whatever is lost. */
function hysteria(told: boolean): System {
  const bandwidth = told ? 'bandwidth: { up: 100 mbps, down: 100 mbps }\n' : ''
  const start = pair('hysteria', {
    files: async ({ client }) => {
      const { certificate, privateKey } = await makeCredentials('localhost')
      return {
        'server.crt': certificate,
        'server.key': privateKey,
        'server.yaml': `listen: :${linkPort}\ntls: { cert: server.crt, key: server.key }\nauth: { type: password, password: bench }\n${bandwidth}`,
        'client.yaml': `server: ${client.address}:${linkPort}\nauth: bench\ntls: { sni: localhost, insecure: true }\nlazy: true\n${bandwidth}tcpForwarding:\n  - { listen: "127.0.0.1:${publicPort}", remote: "127.0.0.1:${servicePort}" }\n`,
      }
    },
    server: () => ['env', '--chdir=FOLDER', find('hysteria') ?? '', 'server', '-c', 'server.yaml'],
    client: () => ['env', '--chdir=FOLDER', find('hysteria') ?? '', 'client', '-c', 'client.yaml'],
    announces: false,
    reversed: true,
  })
  const note = `hysteria, ${told ? 'told that the link has 100 Mbit/s' : 'its BBR'}; its server is beside the service`
  return { name: told ? 'hysteria told' : 'hysteria', note, ...missing(['hysteria']), start }
}

function rstun(): System {
  const start = pair('rstun', {
    server: () => [find('rstund') ?? '', '--addr', `0.0.0.0:${linkPort}`, '--password', 'bench'],
    client: ({ server }) => [
      ...[find('rstunc') ?? '', '--server-addr', `${server.address}:${linkPort}`, '--password', 'bench'],
      ...['--tcp-mapping', `IN^127.0.0.1:${servicePort}^127.0.0.1:${publicPort}`],
    ],
    announces: false,
  })
  return { name: 'rstun', note: 'rstun, QUIC', ...missing(['rstund', 'rstunc']), start }
}

export function systems(): readonly System[] {
  const build = petrelVersion()
  return [
    ...(['cubic', 'bbr'] as const).map(kernel),
    ...(['tls', 'quic', 'kcp'] as const).map((transport) => petrel(transport, build)),
    ...(['tcp', 'kcp', 'quic'] as const).map(frp),
    rathole(),
    kcptun(),
    hysteria(false),
    hysteria(true),
    rstun(),
  ]
}
