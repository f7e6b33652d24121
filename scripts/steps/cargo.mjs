// Finds a cargo that works, or says that there is none. One on PATH counts; nothing else is looked for.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { inRoot } from './run.mjs'

/** Where cargo puts what it builds, whatever its own configuration says. */
export const targetFolder = resolve(inRoot('native'), process.env.CARGO_TARGET_DIR ?? 'target')

/** Returns the environment in which `cargo` runs, or undefined when there is none that works. */
export function findCargo() {
  const target = { CARGO_TARGET_DIR: targetFolder }
  if (works({})) return target
  // rustup's cargo looks for its toolchains in $HOME; under another HOME they are still beside where it was installed.
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const rustupHome = join(dirname(dirname(folder)), '.rustup')
    if (!existsSync(join(folder, 'cargo')) || !existsSync(rustupHome)) continue
    const env = { RUSTUP_HOME: rustupHome }
    if (works(env)) return { ...env, ...target }
  }
  return undefined
}

const works = (env) =>
  spawnSync('cargo', ['--version'], { env: { ...process.env, ...env }, stdio: 'ignore' }).status === 0
