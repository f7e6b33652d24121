// Puts the layers of a configuration together (default < joined server < file < environment < flag), checks them
// against a schema, and gathers every problem with the place that it comes from.

import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { z } from 'zod'
import { readYaml, type YamlFile } from './document.js'
import { configError, formatPath, type Problem, show, unknownKey } from './problem.js'
import { type KeyPath, keyMetaAt, keysAt, metaAt, settings } from './schema.js'

/** A value given by a flag; `value` as the schema wants it in a file. */
export interface FlagValue {
  /** "log.level", or its keys one by one where one of them may hold a dot. */
  readonly path: string | readonly string[]
  readonly value: unknown
  readonly flag: string
}

export interface Given {
  /** Path of the YAML file; none: the other layers only. */
  readonly file?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly flags?: readonly FlagValue[]
}

export interface ReadOptions {
  /** Keys of which one is enough: a higher layer that sets one takes away what a lower layer said with the others. */
  readonly alternatives: readonly (readonly string[])[]
  /** Variables of the environment that somebody else reads, and that are not unknown for it. */
  readonly otherVariables: ReadonlySet<string>
}

export interface Reading<T> {
  /** Without the top-level keys in which something is wrong; undefined when nothing can be made of the rest. */
  readonly settings: T | undefined
  readonly problems: Problem[]
  readonly warnings: string[]
  /** Whether some layer sets this top-level key, rightly or wrongly. */
  has(key: string): boolean
  /** Whether the value at this path stands in the file. */
  fromFile(path: KeyPath): boolean
  /** Places a problem at a path, wherever its value came from. */
  problem(path: KeyPath, message: string, part?: 'key' | 'value'): Problem
  /** Makes a path of the configuration absolute: those of a file count from its folder, others from here. */
  absolute(path: KeyPath, file: string): string
}

const maxFileBytes = 1024 * 1024

/** Throws config_invalid only when the file cannot be read; everything else is in `problems`. */
export function readLayers<S extends z.ZodType>(schema: S, given: Given, options: ReadOptions): Reading<z.output<S>> {
  const file = given.file === undefined ? undefined : readYaml(readText(given.file), given.file)
  const problems: Problem[] = [...(file?.problems ?? [])]
  const warnings: string[] = []
  const origins = new Map<string, string>()
  const root = isGroup(file?.value) ? structuredClone(file.value) : {}
  if (file?.value !== undefined && file.value !== null && !isGroup(file.value)) {
    problems.push(at(given.file, file, [], `expected a group of keys, found ${show(file.value)}`))
  }

  const overlay = (values: readonly FlagValue[]) => {
    const paths = values.map(({ path }) => (typeof path === 'string' ? path.split('.') : path))
    for (const keys of paths) clearAlternatives(root, keys, options.alternatives)
    for (const [index, { value, flag }] of values.entries()) {
      const keys = paths[index] ?? []
      setAt(root, keys, structuredClone(value))
      origins.set(keys.join('.'), flag)
    }
  }
  overlay(environmentValues(schema, given.env, options.otherVariables, warnings))
  overlay(given.flags ?? [])

  const originOf = (path: KeyPath): string | undefined => {
    for (let length = path.length; length > 0; length--) {
      const origin = origins.get(path.slice(0, length).join('.'))
      if (origin !== undefined) return origin
    }
    return undefined
  }
  const problem = (path: KeyPath, message: string, part: 'key' | 'value' = 'value'): Problem => {
    const source = originOf(path)
    if (source !== undefined) return { source, path: formatPath(path), message }
    return at(given.file, file, path, message, part)
  }

  const fromFile = (path: KeyPath) =>
    given.file !== undefined && originOf(path) === undefined && valueAt(root, path) !== undefined

  const result = schema.safeParse(root, { reportInput: true })
  if (!result.success && file?.problems.every(({ path }) => path !== '') !== false) {
    for (const issue of result.error.issues) problems.push(...explain(schema, root, issue, problem))
  }
  return {
    settings: result.success ? result.data : schema.safeParse(without(root, result.error.issues)).data,
    problems,
    warnings,
    has: (key) => root[key] !== undefined,
    problem,
    fromFile,
    absolute: (path, name) => (fromFile(path) ? resolve(dirname(given.file ?? ''), name) : resolve(name)),
  }
}

function readText(file: string): string {
  try {
    if (statSync(file).size > maxFileBytes) throw new Error('larger than 1 MiB')
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    throw configError([{ file, path: '', message: code === 'ENOENT' ? 'no such file' : (error as Error).message }])
  }
}

function at(
  name: string | undefined,
  file: YamlFile | undefined,
  path: KeyPath,
  message: string,
  part?: 'key' | 'value',
) {
  const shown = formatPath(path)
  if (name === undefined || file === undefined) return { path: shown, message }
  return { file: name, ...file.position(path, part), path: shown, message }
}

/** PETREL_BIND_PORT sets bind_port, PETREL_LIMITS_CLIENTS limits.clients; PETREL_TOKEN is the secret of either side. */
function environmentValues(
  schema: z.ZodType,
  env: Given['env'],
  otherVariables: ReadonlySet<string>,
  warnings: string[],
): FlagValue[] {
  const known = new Map([...settings(schema)].map(([path, kind]) => [variableOf(path), { path, kind }]))
  const secret = known.get('PETREL_AUTH_TOKEN')
  if (secret !== undefined) known.set('PETREL_TOKEN', secret)
  const values: FlagValue[] = []
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('PETREL_') || text === undefined || text === '') continue
    const setting = known.get(name)
    if (setting !== undefined) values.push({ path: setting.path, value: ofKind(text, setting.kind), flag: name })
    else if (!otherVariables.has(name)) warnings.push(`${name} in the environment is not a setting, and is ignored`)
  }
  return values
}

/** The variables that set this schema's settings. */
export const variables = (schema: z.ZodType): string[] => [...settings(schema).keys()].map(variableOf)

const variableOf = (path: string): string => `PETREL_${path.replaceAll('.', '_').toUpperCase()}`

function ofKind(text: string, kind: 'number' | 'boolean' | 'text'): unknown {
  if (kind === 'number' && /^-?\d+$/.test(text)) return Number(text)
  if (kind === 'boolean' && /^(true|false)$/.test(text)) return text === 'true'
  return text
}

/** One issue of the schema library, in our words; several when one issue names several keys. */
function explain(
  schema: z.ZodType,
  root: unknown,
  issue: z.core.$ZodIssue,
  problem: Reading<unknown>['problem'],
): Problem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, path)
    return issue.keys.map((key) => problem([...path, key], unknownKey(key, known), 'key'))
  }
  if (issue.code === 'invalid_key') {
    const { expected } = keyMetaAt(schema, path.slice(0, -1))
    return [problem(path, `expected ${expected}`, 'key')]
  }
  const { expected, secret } = metaAt(schema, path)
  return [problem(path, `expected ${expected}, found ${show(valueAt(root, path), secret)}`)]
}

/** What is left when every top-level key in which something is wrong is taken out. */
function without(root: Record<string, unknown>, issues: readonly z.core.$ZodIssue[]): Record<string, unknown> {
  const wrong = new Set(
    issues.flatMap((issue) =>
      issue.path.length === 0 && issue.code === 'unrecognized_keys' ? issue.keys : [String(issue.path[0])],
    ),
  )
  return Object.fromEntries(Object.entries(root).filter(([key]) => !wrong.has(key)))
}

function valueAt(root: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string | number, unknown> | undefined)?.[key], root)
}

function setAt(root: Record<string, unknown>, [key, ...rest]: readonly string[], value: unknown): void {
  if (key === undefined) return
  if (rest.length === 0) {
    root[key] = value
    return
  }
  const inner = isGroup(root[key]) ? root[key] : {}
  root[key] = inner
  setAt(inner, rest, value)
}

function clearAlternatives(
  root: Record<string, unknown>,
  [key = '', ...below]: readonly string[],
  alternatives: ReadOptions['alternatives'],
): void {
  for (const group of alternatives) {
    if (below.length === 0 && group.includes(key)) for (const other of group) delete root[other]
  }
}

const isGroup = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
