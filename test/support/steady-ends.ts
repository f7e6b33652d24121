// A conversation at a steady rate through a tunnel, its two ends in processes of their own (steady.ts).

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Steady } from './steady.js'

export interface Rate {
  /** Each way. */
  readonly bytes: number
  readonly bytesASecond: number
}

export interface SteadyEnd {
  /** What it said while it stood, and its result when it has ended. */
  readonly result: Promise<Steady>
  /** Of a service: where it listens. */
  readonly port: number
}

const script = join(process.cwd(), 'dist/test/support/steady.js')

/** inside: goes before the command line. Resolves when it listens. */
export async function steadyService(
  t: ExecutionContext,
  { bytes, bytesASecond }: Rate,
  inside: readonly string[] = [],
): Promise<SteadyEnd> {
  const child = begin(t, inside, ['listen', '0', `${bytes}`, `${bytesASecond}`])
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  return { port: Number(/up (\d+)/.exec(`${line}`)?.[1]), result: resultOf(child) }
}

export function steadyVisitor(
  t: ExecutionContext,
  at: { readonly host: string; readonly port: number },
  { bytes, bytesASecond }: Rate,
  inside: readonly string[] = [],
): SteadyEnd {
  const child = begin(t, inside, ['connect', at.host, `${at.port}`, `${bytes}`, `${bytesASecond}`])
  return { port: at.port, result: resultOf(child) }
}

/** Both ways whole; bytes: in all. Returns all stalls, in ms, the longest last. */
export function assertWhole(t: ExecutionContext, a: Steady, b: Steady, bytes: number): number[] {
  t.is(a.bytes + b.bytes, bytes, 'bytes in all')
  t.is(a.received, b.sent, 'SHA-256 one way')
  t.is(b.received, a.sent, 'SHA-256 the other way')
  return [...a.stalls, ...b.stalls].map(({ ms }) => Math.round(ms)).sort((x, y) => x - y)
}

/** For a log: least, median and greatest of sorted figures. */
export const spread = (sorted: readonly number[]): string =>
  sorted.length === 0 ? 'none' : `${sorted[0]} / ${sorted[Math.floor(sorted.length / 2)]} / ${sorted.at(-1)}`

function begin(t: ExecutionContext, inside: readonly string[], args: readonly string[]): ChildProcess {
  const [program = '', ...rest] = [...inside, process.execPath, script, ...args]
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

async function resultOf(child: ChildProcess): Promise<Steady> {
  const text = { out: '', error: '' }
  child.stdout?.on('data', (chunk) => {
    text.out += chunk
  })
  child.stderr?.on('data', (chunk) => {
    text.error += chunk
  })
  await once(child, 'close')
  const line = /^\{.*\}$/m.exec(text.out)?.[0]
  if (line === undefined) throw new Error(`no result: ${text.out}${text.error}`)
  return JSON.parse(line) as Steady
}
