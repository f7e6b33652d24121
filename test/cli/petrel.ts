// Runs the real binary in a folder of its own, with an environment that holds nothing of the machine's.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'

const binary = join(process.cwd(), 'dist/src/cli/main.js')

export interface Run {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Run>
  /** Resolves with the first match in what was written so far or will be; rejects when the process ends first. */
  said(stream: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray>
}

export interface Start {
  readonly home: string
  readonly input?: string
  readonly env?: Record<string, string>
  /** What goes before it on the command line, for instance to enter a network namespace. */
  readonly inside?: readonly string[]
}

/** Starts `petrel args`; killed when the test ends. */
export function startPetrel(t: ExecutionContext, args: readonly string[], start: Start): Running {
  const { home, input, env, inside = [] } = start
  const [program = '', ...rest] = [...inside, process.execPath, binary, ...args]
  const child = spawn(program, rest, {
    env: {
      PATH: process.env.PATH,
      PETREL_HOME: home,
      ...(process.env.PETREL_NATIVE === undefined ? {} : { PETREL_NATIVE: process.env.PETREL_NATIVE }),
      ...env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const text = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8')
    child[name].on('data', (chunk: string) => {
      text[name] += chunk
    })
  }
  child.stdin.on('error', () => {}) // it may end without reading its input
  child.stdin.end(input)
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, ...text }) as Run)
  return {
    child,
    ended,
    said: (stream, pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(text[stream])
          if (match === null) return
          child[stream].off('data', look)
          resolve(match)
        }
        child[stream].on('data', look)
        look()
        void ended.then((run) =>
          reject(new Error(`ended with ${run.code} before ${pattern}: ${run.stdout}${run.stderr}`)),
        )
      }),
  }
}

export const runPetrel = (t: ExecutionContext, args: readonly string[], start: Start): Promise<Run> =>
  startPetrel(t, args, start).ended
