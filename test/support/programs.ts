// Other people's programs in tests: run to the end, or started and ended by their process id.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { ExecutionContext } from 'ava'
import { programPath } from './over.js'

export interface Ended {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
  readonly seconds: number
}

export interface Run {
  readonly input?: string | Buffer
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a program to its end; killed when the test ends first. */
export async function run(
  t: ExecutionContext,
  program: string,
  args: readonly string[],
  more: Run = {},
): Promise<Ended> {
  const started = performance.now()
  const child = begin(t, program, args, more)
  child.stdin?.on('error', () => {}) // it may end without reading its input
  child.stdin?.end(more.input)
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout?.on('data', (chunk) => stdout.push(chunk))
  child.stderr?.on('data', (chunk) => stderr.push(chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  const seconds = (performance.now() - started) / 1000
  return { code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString(), seconds }
}

/** Starts a program that stays, and waits until it has said `ready` on either stream; killed when the test ends. */
export async function daemon(
  t: ExecutionContext,
  program: string,
  args: readonly string[],
  ready: RegExp,
  input?: string,
): Promise<{ readonly ended: Promise<unknown> }> {
  const child = begin(t, program, args, {})
  const ended = once(child, 'close')
  child.stdin?.end(input)
  let said = ''
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        said = (said + chunk).slice(-4096)
        if (ready.test(said)) resolve()
      })
    }
    child.once('close', (code) => reject(new Error(`${program} ended with ${code}: ${said}`)))
  })
  return { ended }
}

function begin(t: ExecutionContext, program: string, args: readonly string[], { cwd, env }: Run): ChildProcess {
  const child = spawn(programPath(program) ?? program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env: { PATH: process.env.PATH ?? '', ...env } }),
  })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

/** A port that was free a moment ago, for programs that cannot take port 0. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  await once(probe, 'close')
  return port
}
