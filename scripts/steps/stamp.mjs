// Tells whether something must be built again: a hash over the names and bytes of its sources, kept beside the result.
// Bytes, not times: a checkout or a copy changes times and nothing else.

import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inRoot } from './run.mjs'

/** Every file below a path of the repository that `wanted` (its path from the root) takes; build results left out. */
export function filesBelow(path, wanted = () => true) {
  const info = statSync(inRoot(path), { throwIfNoEntry: false })
  if (info === undefined) return []
  if (info.isFile()) return wanted(path) ? [path] : []
  return readdirSync(inRoot(path))
    .filter((name) => name !== 'target' && name !== 'node_modules' && !name.startsWith('.'))
    .sort()
    .flatMap((name) => filesBelow(join(path, name), wanted))
}

/** SHA-256, hex, of the files' names and bytes in the order given. */
export function hashFiles(files) {
  const hash = createHash('sha256')
  for (const file of files) {
    const bytes = readFileSync(inRoot(file))
    hash.update(`${file}\0${bytes.length}\0`).update(bytes)
  }
  return hash.digest('hex')
}

export function readStamp(path) {
  try {
    return readFileSync(inRoot(path), 'utf8')
  } catch {
    return undefined
  }
}

export function writeStamp(path, hash) {
  mkdirSync(dirname(inRoot(path)), { recursive: true })
  writeFileSync(inRoot(path), hash)
}
