// What `petrel version` says; read from package.json, so that it stands in one place.

import { readFileSync } from 'node:fs'

/** The version of this installation, for instance "0.1.0". */
export function version(): string {
  // Compiled, this file is dist/src/cli/version.js.
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
