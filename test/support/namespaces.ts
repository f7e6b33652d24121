// Two network namespaces joined by a cable: two machines with addresses and ports of their own. Linux, as root.

import { execFileSync } from 'node:child_process'
import type { ExecutionContext } from 'ava'
import { programPath } from './over.js'

export interface Machine {
  readonly address: string
  /** Goes before a command line that runs there. */
  readonly inside: readonly string[]
}

const ip = (...args: readonly string[]): string =>
  execFileSync(programPath('ip') ?? 'ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

/** Why there can be none here; '' when there can. */
export function whyNoNamespaces(): string {
  if (process.platform !== 'linux' || programPath('ip') === undefined) return 'there is no ip(8) here'
  const name = `ptl-try-${process.pid}`
  try {
    ip('netns', 'add', name)
    ip('netns', 'exec', name, 'true')
    return ''
  } catch {
    return 'network namespaces need root'
  } finally {
    try {
      ip('netns', 'del', name)
    } catch {
      // It was not made.
    }
  }
}

/** Both are removed when the test ends. */
export function twoMachines(t: ExecutionContext): readonly [Machine, Machine] {
  const [a, b] = [`ptl-${process.pid}-a`, `ptl-${process.pid}-b`] as const
  for (const name of [a, b]) {
    ip('netns', 'add', name)
    t.teardown(() => void ip('netns', 'del', name))
    ip('-n', name, 'link', 'set', 'lo', 'up')
  }
  ip('-n', a, 'link', 'add', 'cable', 'type', 'veth', 'peer', 'name', 'cable', 'netns', b)
  return [plugIn(a, '10.77.0.1'), plugIn(b, '10.77.0.2')]
}

function plugIn(name: string, address: string): Machine {
  ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'cable')
  ip('-n', name, 'link', 'set', 'cable', 'up')
  return { address, inside: [programPath('ip') ?? 'ip', 'netns', 'exec', name] }
}
