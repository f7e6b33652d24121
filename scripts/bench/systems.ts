// What is measured: each system carries a visitor's connection to the service through two processes of its own. All
// are set up as they come, on 127.0.0.1.

import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { makeToken } from '../../src/base/token.js'
import { accepts, execArgv, freePorts, type Processes, pidOf, sibling } from './processes.js'

export interface Place {
  readonly processes: Processes
  readonly servicePort: number
  /** A folder of the system's own. */
  readonly folder: string
}

export interface Running {
  /** Where visitors connect. */
  readonly port: number
  /** The processes whose CPU time counts. */
  readonly pids: readonly number[]
}

export interface System {
  readonly name: string
  /** What it is, for the reader of the figures. */
  readonly note: string
  /** Why it cannot run here. */
  readonly missing?: string
  start(place: Place): Promise<Running>
}

/** Load generator and service with nothing between them: the most that the bench itself could show. */
export const direct = 'direct'
/** The row that every other is compared with. */
export const yardstick = 'relay tls'

const { env } = process
const cacheHome = env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
/** Where scripts/bench/peers puts what it builds. */
const peers = join(env.PETREL_BENCH_CACHE ?? join(cacheHome, 'petrel-bench'), 'bin')

export function find(program: string): string | undefined {
  return [...(env.PATH ?? '').split(delimiter), peers]
    .map((folder) => join(folder, program))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/** The version that scripts/bench/peers noted down, after a space; '' for a program from elsewhere. */
export function version(peer: string, path: string | undefined): string {
  const note = join(peers, `${peer}.version`)
  return path?.startsWith(peers) && existsSync(note) ? ` ${readFileSync(note, 'utf8').trim()}` : ''
}

function relay(kind: 'tcp' | 'tls', note: string): System {
  const start: System['start'] = async ({ processes, servicePort }) => {
    const exit = await processes.listening(`relay-${kind}-exit`, 'relay.js', ['exit', kind, `${servicePort}`])
    const entry = await processes.listening(`relay-${kind}-entry`, 'relay.js', ['entry', kind, `${exit.port}`])
    return { port: entry.port, pids: [entry.pid, exit.pid] }
  }
  return { name: `relay ${kind}`, note, start }
}

/** Two programs that read a configuration each. */
function pair(
  name: string,
  what: {
    files: (ports: readonly number[], place: Place) => Record<string, string>
    commands: () => readonly string[][]
  },
): System['start'] {
  return async (place) => {
    const ports = await freePorts(2)
    mkdirSync(place.folder, { recursive: true })
    const files = Object.entries(what.files(ports, place))
    for (const [file, text] of files) writeFileSync(join(place.folder, file), text, { mode: 0o600 })
    // Each program's own folders, so that nothing of the user's is read or changed.
    const home = { HOME: place.folder, XDG_CONFIG_HOME: place.folder }
    const pids: number[] = []
    for (const [index, [command = '', ...args]] of what.commands().entries()) {
      const paths = args.map((arg) => arg.replace('FOLDER', place.folder))
      const side = index === 0 ? 'server' : 'client'
      pids.push(pidOf(place.processes.start(`${name}-${side}`, command, paths, home)))
      // Some clients give up when their server is not there yet.
      if (side === 'server') await accepts(ports[0] ?? 0)
    }
    return { port: ports[1] ?? 0, pids }
  }
}

function petrel(transport: 'tls' | 'quic' | 'kcp'): System {
  const main = sibling('../../src/cli/main.js')
  const token = makeToken()
  const node = (side: string) => [process.execPath, ...execArgv(`petrel-${transport}-${side}`), main, side]
  const start = pair(`petrel-${transport}`, {
    files: ([link, port], { servicePort }) => ({
      token,
      'server.yaml': `bind_addr: 127.0.0.1\nbind_port: ${link}\nauth_token_file: ./token\nport_range_start: ${port}\nport_range_end: ${port}\n`,
      'client.yaml': `server: 127.0.0.1:${link}\ntoken_file: ./token\ntransport: ${transport}\nproxies:\n  bench: { type: tcp, local_host: 127.0.0.1, local_port: ${servicePort}, remote_port: ${port} }\n`,
    }),
    commands: () => ['server', 'client'].map((side) => [...node(side), '--config', `FOLDER/${side}.yaml`]),
  })
  const notes = { tls: 'TLS 1.3 and yamux, one TCP connection', quic: 'QUIC, one link', kcp: 'sealed KCP, one link' }
  const missing = transport !== 'tls' && env.PETREL_NATIVE === 'off' ? { missing: 'the native addon is not there' } : {}
  return { name: `petrel ${transport}`, note: notes[transport], ...missing, start }
}

function rathole(): System {
  const path = find('rathole')
  const secret = 'default_token = "bench"'
  const start = pair('rathole', {
    files: ([link, port], { servicePort }) => ({
      'server.toml': `[server]\nbind_addr = "127.0.0.1:${link}"\n${secret}\n[server.services.bench]\nbind_addr = "127.0.0.1:${port}"\n`,
      'client.toml': `[client]\nremote_addr = "127.0.0.1:${link}"\n${secret}\n[client.services.bench]\nlocal_addr = "127.0.0.1:${servicePort}"\n`,
    }),
    commands: () => ['server', 'client'].map((side) => [path ?? '', `--${side}`, `FOLDER/${side}.toml`]),
  })
  const missing = path === undefined ? { missing: 'no rathole on PATH (scripts/bench/peers builds it)' } : {}
  return {
    name: 'rathole',
    note: `rathole${version('rathole', path)}, plain TCP, a connection a visitor`,
    ...missing,
    start,
  }
}

function frp(): System {
  const path = find('frps')
  const client = find('frpc')
  const start = pair('frp', {
    files: ([link, port], { servicePort }) => ({
      'server.toml': `bindAddr = "127.0.0.1"\nbindPort = ${link}\nauth.token = "bench"\nlog.level = "warn"\n`,
      'client.toml': `serverAddr = "127.0.0.1"\nserverPort = ${link}\nauth.token = "bench"\nlog.level = "warn"\n[[proxies]]\nname = "bench"\ntype = "tcp"\nlocalIP = "127.0.0.1"\nlocalPort = ${servicePort}\nremotePort = ${port}\n`,
    }),
    commands: () => [
      [path ?? '', '-c', 'FOLDER/server.toml'],
      [client ?? '', '-c', 'FOLDER/client.toml'],
    ],
  })
  const found = path !== undefined && client !== undefined
  const missing = found ? {} : { missing: 'no frps and frpc on PATH (scripts/bench/peers builds them)' }
  return { name: 'frp', note: `frp${version('frp', path)}, TLS and yamux, one TCP connection`, ...missing, start }
}

export function systems(): readonly System[] {
  const nothing: System['start'] = async ({ servicePort }) => ({ port: servicePort, pids: [] })
  return [
    { name: direct, note: 'load generator and service, nothing between', start: nothing },
    relay('tcp', 'two Node processes, TCP'),
    relay('tls', 'two Node processes, a TLS 1.3 connection a visitor'),
    petrel('tls'),
    petrel('quic'),
    petrel('kcp'),
    rathole(),
    frp(),
  ]
}
