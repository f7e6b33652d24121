// A folder of its own for a test, removed when the test has ended.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'

export interface Folder {
  readonly path: string
  /** Writes a file, 0600 unless told otherwise, and returns its path. */
  write(name: string, text: string, mode?: number): string
}

export function testFolder(t: ExecutionContext): Folder {
  const path = mkdtempSync(join(tmpdir(), 'petrel-test-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return {
    path,
    write(name, text, mode = 0o600) {
      const file = join(path, name)
      writeFileSync(file, text, { mode })
      return file
    },
  }
}
