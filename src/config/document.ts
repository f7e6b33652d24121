// One YAML text: its value, where each key stands in it, and what is wrong with it as YAML.

import { type Document, isCollection, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import type { Problem } from './problem.js'
import type { KeyPath } from './schema.js'

/** Counted from 1, as editors do. */
export interface Position {
  readonly line: number
  readonly column: number
}

export interface YamlFile {
  readonly value: unknown
  /** What is wrong with the text itself: syntax, and keys that stand twice. */
  readonly problems: readonly Problem[]
  /** Of the value at this path, or of its key; of the nearest group around it where it is missing. */
  position(path: KeyPath, part?: 'key' | 'value'): Position
}

/** Never throws: a text that is no YAML has problems and the value undefined. */
export function readYaml(text: string, file: string): YamlFile {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const problems: Problem[] = document.errors.map((error) => {
    const key = error.code === 'DUPLICATE_KEY' ? /^[\w.-]+/.exec(text.slice(error.pos[0]))?.[0] : undefined
    const message = key === undefined ? `not YAML: ${error.message}` : 'this name is here twice'
    return { file, ...at(error.pos[0]), path: key ?? '', message }
  })
  const broken = document.errors.some((error) => error.code !== 'DUPLICATE_KEY')
  return {
    value: broken
      ? undefined
      : plainValue(document, (message) => problems.push({ file, line: 1, column: 1, path: '', message })),
    problems,
    position: (path, part = 'value') => at(offsetOf(document.contents, path, part)),
  }
}

function plainValue(document: Document, report: (message: string) => void): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    report(`not YAML that can be used: ${(error as Error).message}`)
    return undefined
  }
}

function offsetOf(contents: unknown, path: KeyPath, part: 'key' | 'value'): number {
  let node = contents
  let offset = startOf(contents) ?? 0
  for (const [depth, key] of path.entries()) {
    if (!isCollection(node)) return offset
    const pair = isMap(node)
      ? node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key))
      : undefined
    if (isMap(node) && pair === undefined) return offset
    const last = depth === path.length - 1
    offset = (last && part === 'key' ? undefined : startOf(pair?.value)) ?? startOf(pair?.key) ?? offset
    node = node.get(key, true)
    if (pair === undefined) offset = startOf(node) ?? offset
    // A group is pointed at by its key: its own start is that of its first entry, often lines below.
    if (isCollection(node) && pair !== undefined) offset = startOf(pair.key) ?? offset
  }
  return offset
}

const startOf = (node: unknown): number | undefined => (node as Node | null | undefined)?.range?.[0]
