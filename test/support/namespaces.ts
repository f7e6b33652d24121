// Two network namespaces joined by a cable: two machines with addresses and ports of their own. Linux, as root.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
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

/** The machine has another address from now on, and not this one any more. */
export function readdress({ inside, address }: Machine, to: string): Machine {
  const change = [`addr del ${address}/24 dev cable`, `addr add ${to}/24 dev cable`].join('\n')
  const [enter = '', ...rest] = inside
  execFileSync(enter, [...rest, programPath('ip') ?? 'ip', '-batch', '-'], { input: `${change}\n`, stdio: 'pipe' })
  return { inside, address: to }
}

/** Why nothing can be blocked there; '' when it can. */
export function whyNoFirewall(): string {
  const without = whyNoNamespaces()
  if (without !== '') return without
  if (nftPath === undefined) return 'nft is not installed'
  const name = `ptl-nft-${process.pid}`
  try {
    ip('netns', 'add', name)
    nft([programPath('ip') ?? 'ip', 'netns', 'exec', name], [])
    return ''
  } catch {
    return 'nft does not work here'
  } finally {
    ip('netns', 'del', name)
  }
}

/** From now on what arrives at this machine passes these rules of nft(8), statements of a chain at the input hook. */
export const block = ({ inside }: Machine, rules: readonly string[]): void => nft(inside, rules)

/** Not from PATH: `npm test` puts a package's program of the same name there. */
const nftPath = ['/usr/sbin/nft', '/sbin/nft', '/usr/local/sbin/nft'].find((file) => existsSync(file))

function nft([enter = '', ...inside]: readonly string[], rules: readonly string[]): void {
  const chain = ['type filter hook input priority 0', ...rules].join('\n')
  const input = `table inet petrel {\nchain input {\n${chain}\n}\n}\n`
  execFileSync(enter, [...inside, nftPath ?? 'nft', '-f', '-'], { input, stdio: 'pipe' })
}

function plugIn(name: string, address: string): Machine {
  ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'cable')
  ip('-n', name, 'link', 'set', 'cable', 'up')
  return { address, inside: [programPath('ip') ?? 'ip', 'netns', 'exec', name] }
}
