// Compiles TypeScript to dist/ when a source changed, and takes results away whose source is gone: a test that was
// deleted must not run on.

import { chmodSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { inRoot, run } from './run.mjs'
import { filesBelow, hashFiles, readStamp, writeStamp } from './stamp.mjs'

const stamp = 'dist/.sources'
const folders = ['src', 'test', 'scripts']
const main = 'dist/src/cli/main.js'

export async function compile() {
  const sources = folders.flatMap((folder) => filesBelow(folder, (path) => path.endsWith('.ts')))
  const hash = hashFiles(['package-lock.json', 'tsconfig.json', ...sources])
  if (readStamp(stamp) === hash && existsSync(inRoot(main))) return
  removeOrphans()
  await run('compiling TypeScript', process.execPath, [inRoot('node_modules/typescript/bin/tsc'), '-p', '.'])
  chmodSync(inRoot(main), 0o755)
  writeStamp(stamp, hash)
}

function removeOrphans() {
  for (const folder of folders) {
    for (const result of filesBelow(join('dist', folder))) {
      const source = result.slice('dist/'.length).replace(/(\.d\.ts|\.js|\.js\.map)$/, '.ts')
      if (existsSync(inRoot(source))) continue
      rmSync(inRoot(result))
      // Else the incremental compiler would believe that the file is still there when its source comes back.
      rmSync(inRoot('dist/.tsbuildinfo'), { force: true })
    }
  }
}
