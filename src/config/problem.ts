// What is wrong with a configuration, and how it reads: one line a problem, all of them in one error.

import { distance } from 'fastest-levenshtein'
import { PetrelError } from '../base/errors.js'

export interface Problem {
  /** The file; else `source` names a flag or a variable of the environment. */
  readonly file?: string
  readonly line?: number
  readonly column?: number
  readonly source?: string
  /** "limits.clients", "allowed_clients[0].name"; empty for the whole. */
  readonly path: string
  readonly message: string
}

export function formatPath(path: readonly (string | number)[]): string {
  return path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('')
}

function formatProblem({ file, line, column, source, path, message }: Problem): string {
  const place = file === undefined ? source : line === undefined ? file : `${file}:${line}:${column}`
  // A flag says as much as the key that it sets.
  const key = path.replace(/\[\d+\]$/, '').replace(/^.*\./, '')
  const isNamed = place === `--${key.replaceAll('_', '-')}`
  return [place, isNamed ? '' : path, message].filter((part) => part !== undefined && part !== '').join(': ')
}

/** One error for all, in the order of the file. */
export function configError(problems: readonly Problem[]): PetrelError {
  const place = ({ line = 0, column = 0 }: Problem) => line * 1_000_000 + column
  const sorted = [...problems].sort((a, b) => place(a) - place(b))
  return new PetrelError('config_invalid', 'config', sorted.map(formatProblem).join('\n'))
}

/** "unknown key; did you mean bind_port?", or the known ones when none is near. */
export function unknownKey(key: string, known: readonly string[]): string {
  const nearest = known
    .map((name) => ({ name, steps: distance(key.toLowerCase().replaceAll('-', '_'), name) }))
    .sort((a, b) => a.steps - b.steps)[0]
  if (nearest === undefined) return 'unknown key'
  const near = nearest.steps <= Math.max(2, Math.ceil(key.length / 2))
  return near ? `unknown key; did you mean ${nearest.name}?` : `unknown key; the keys here are ${known.join(', ')}`
}

/** What was found, short, and without telling a secret. */
export function show(value: unknown, secret = false): string {
  if (value === undefined || value === null) return 'nothing'
  if (secret) return typeof value === 'string' ? `${value.length} characters` : `a ${typeof value}`
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a group of keys'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
