// Flags that several commands share, and how they become the top layer of a configuration.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { type Folders, folders } from '../config/home.js'
import type { FlagValue } from '../config/read.js'

/** What the command line was started with; tests give their own. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly folders: Folders
}

export const surroundings = (): Surroundings => ({ env: process.env, folders: folders(process.env) })

export interface LogFlags {
  readonly json?: boolean
  readonly quiet?: number
  readonly verbose?: number
  readonly logFile?: string
}

const more = (_: string, before: number | undefined): number => (before ?? 0) + 1

/** -v, -q, --json, --log-file. */
export const withLogFlags = (command: Command): Command =>
  command
    .option('-v, --verbose', 'say more; twice: everything', more)
    .option('-q, --quiet', 'warnings and errors only; twice: errors only', more)
    .option('--json', 'JSON lines, for machines: logs and errors on stderr, results on stdout')
    .option('--log-file <file>', 'log as well to this file, rotated: petrel.log becomes petrel.1.log, petrel.2.log …')

export function logValues({ json, quiet = 0, verbose = 0, logFile }: LogFlags): FlagValue[] {
  const steps = ['error', 'warn', 'info', 'debug', 'trace'] as const
  const level = steps[Math.min(4, Math.max(0, 2 + verbose - quiet))]
  return [
    ...(quiet === verbose ? [] : [{ path: 'log.level', value: level, flag: verbose > quiet ? '-v' : '-q' }]),
    ...(json ? [{ path: 'log.format', value: 'json', flag: '--json' }] : []),
    ...(logFile === undefined ? [] : [{ path: 'log.file', value: logFile, flag: '--log-file' }]),
  ]
}

export interface PathFlags {
  readonly profile?: string
  readonly bandwidth?: string
  readonly bandwidthLimit?: string
}

/** --profile, --bandwidth, --bandwidth-limit. */
export const withPathFlags = (command: Command): Command =>
  command
    .option('--profile <name>', 'default, satellite (600 ms) or small (little memory)')
    .option('--bandwidth <rate>', 'what this side’s upload takes, such as 50mbit: a link begins with half of it')
    .option('--bandwidth-limit <rate>', 'no more than this leaves on one link')

export const pathValues = ({ profile, bandwidth, bandwidthLimit }: PathFlags): FlagValue[] => [
  ...textValue('profile', '--profile', profile),
  ...textValue('bandwidth', '--bandwidth', bandwidth),
  ...textValue('bandwidth_limit', '--bandwidth-limit', bandwidthLimit),
]

/** One flag that sets one key; a number where it reads as one. */
export const flagValue = (path: string, flag: string, value: string | undefined): FlagValue[] =>
  value === undefined ? [] : [{ path, flag, value: /^\d+$/.test(value) ? Number(value) : value }]

/** As flagValue for keys that are texts even when they look like numbers. */
export const textValue = (path: string, flag: string, value: string | undefined): FlagValue[] =>
  value === undefined ? [] : [{ path, flag, value }]

/** --config, else PETREL_CONFIG, else the file of this name in petrel's own folder when there is one. */
export function configFile(kind: 'server' | 'client', given: string | undefined, { env, folders }: Surroundings) {
  const own = join(folders.config, `${kind}.yaml`)
  return given ?? (env.PETREL_CONFIG || (existsSync(own) ? own : undefined))
}
