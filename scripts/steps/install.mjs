// Installs the npm packages of the lock file, once for each lock file.

import { existsSync } from 'node:fs'
import { inRoot, run } from './run.mjs'
import { readStamp, writeStamp } from './stamp.mjs'

// The stamp is the lock file itself: it lives in node_modules, so that removing that folder removes it too.
const stamp = 'node_modules/.petrel-lock'

export async function install() {
  const lock = readStamp('package-lock.json')
  if (readStamp(stamp) === lock && existsSync(inRoot('node_modules/typescript'))) return
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error']
  const npm = process.env.npm_execpath
  // Under npm, that very npm; elsewhere whatever is on PATH.
  if (npm !== undefined && /npm-cli\.(c?js|mjs)$/.test(npm)) {
    await run('installing packages', process.execPath, [npm, ...args])
  } else {
    await run('installing packages', 'npm', args)
  }
  writeStamp(stamp, lock)
}
