// Starts the processes of a run, reads what they cost, and ends them: only its own, each by its process id.

import { type ChildProcess, execFile, fork, spawn } from 'node:child_process'
import { createWriteStream, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** How long a process may take to be ready and to end, ms. */
const patienceMs = 20_000
/** Clock ticks a second in /proc: USER_HZ is 100 on every Linux that Node runs on. */
const ticksPerSecond = 100

export const sibling = (name: string) => fileURLToPath(new URL(name, import.meta.url))

const output = promisify(execFile)

/** Builds one of ours when something changed; resolves with its path. Rejects with the reason when it cannot be built. */
export async function builtProgram(name: 'emulator' | 'visits'): Promise<string> {
  try {
    const { stdout } = await output(process.execPath, [sibling('../../../scripts/steps/program.mjs'), name])
    return stdout.trim()
  } catch (error) {
    throw new Error((error as { stderr?: string }).stderr?.trim() || String(error))
  }
}

/** Resolves with what it printed; rejects when it fails or takes longer. */
export async function outputOf(program: string, args: readonly string[], deadlineMs: number): Promise<string> {
  try {
    const { stdout } = await output(program, args, { timeout: deadlineMs, maxBuffer: 64 * 1024 * 1024 })
    return stdout
  } catch (error) {
    throw (error as { killed?: boolean }).killed ? new Error('no answer in time: something hangs') : error
  }
}

export class Processes {
  readonly #running = new Set<ChildProcess>()
  readonly #folder: string

  /** folder: takes what the processes write, one file each. */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** A program by its path. What it writes goes to NAME.log in the folder. */
  start(name: string, command: string, args: readonly string[], env: Record<string, string> = {}): ChildProcess {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    const log = createWriteStream(join(this.#folder, `${name}.log`))
    child.stdout.pipe(log, { end: false })
    child.stderr.pipe(log, { end: false })
    return this.#watch(child)
  }

  /** A script of this folder that prints `port N` when it listens. before: what goes before its command line. */
  async listening(
    name: string,
    script: string,
    args: readonly string[],
    before: readonly string[] = [],
  ): Promise<{ pid: number; port: number }> {
    const [program = '', ...rest] = [...before, process.execPath, ...execArgv(name), sibling(script), ...args]
    const child = this.start(name, program, rest)
    const port = await new Promise<number>((resolve, reject) => {
      child.stdout?.on('data', (text) => {
        const found = /port (\d+)/.exec(String(text))
        if (found !== null) resolve(Number(found[1]))
      })
      child.once('exit', () => reject(new Error(`${name} ended before it listened`)))
    })
    return { pid: pidOf(child), port }
  }

  /** A script of this folder with a channel for messages. before: what goes before its command line. */
  fork(script: string, execArgv: readonly string[] = [], before: readonly string[] = []): ChildProcess {
    const [execPath = '', ...rest] = [...before, process.execPath, ...execArgv]
    return this.#watch(
      fork(sibling(script), { execPath, execArgv: rest, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
    )
  }

  async close(): Promise<void> {
    const ends = [...this.#running].map((child) => {
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
      child.kill('SIGTERM')
      return Promise.race([ended, wait(patienceMs, undefined, { ref: false }).then(() => child.kill('SIGKILL'))])
    })
    await Promise.all(ends)
  }

  #watch(child: ChildProcess): ChildProcess {
    this.#running.add(child)
    child.once('exit', () => this.#running.delete(child))
    child.once('error', () => this.#running.delete(child))
    return child
  }
}

export function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error(`${child.spawnfile} did not start`)
  return child.pid
}

/** PETREL_BENCH_PROFILE=FOLDER: each of our Node processes leaves a CPU profile there when it ends. */
export function execArgv(name: string): string[] {
  const folder = process.env.PETREL_BENCH_PROFILE
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}.cpuprofile`]
}

/** User and system time of processes so far, all threads, seconds. Source: proc(5), fields 14 and 15. */
export function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in brackets, which may hold spaces: count from its end.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return Number(fields[11]) + Number(fields[12])
  })
  return ticks.reduce((sum, one) => sum + one, 0) / ticksPerSecond
}

/** Ports that nothing listens on, for programs that cannot say which one they took. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            resolve(address !== null && typeof address === 'object' ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** Resolves when something accepts on the port. */
export const accepts = (port: number) => eventually(port, 'connect', Buffer.alloc(0), 'takes no connection')

/** Resolves when a visitor of the port has had one byte echoed. command: the one that says echo. */
export const answers = (port: number, command: number) =>
  eventually(port, 'data', Buffer.of(command, 1), 'does not lead to the service')

async function eventually(port: number, event: 'connect' | 'data', hello: Buffer, complaint: string): Promise<void> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const socket = connect({ host: '127.0.0.1', port, timeout: 2000 })
    socket.once('connect', () => socket.write(hello))
    const came = await new Promise<boolean>((resolve) => {
      socket.once(event, () => resolve(true))
      for (const end of ['error', 'close', 'timeout']) socket.on(end, () => resolve(false))
    })
    socket.destroy()
    if (came) return
    if (Date.now() > deadline) throw new Error(`port ${port} ${complaint} within ${patienceMs / 1000} s`)
    await wait(50)
  }
}
