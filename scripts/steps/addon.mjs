// Builds the native addon (QUIC and KCP) with a plain `cargo build` and copies it to where the binding looks for it.

import { copyFileSync, existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { findCargo, targetFolder } from './cargo.mjs'
import { inRoot, run } from './run.mjs'
import { filesBelow, hashFiles, readStamp, writeStamp } from './stamp.mjs'

const addon = `native/petrel.${process.platform}-${process.arch}.node`
const stamp = `native/target/${process.platform}-${process.arch}.sources`
const library = { darwin: 'libpetrel_node.dylib', win32: 'petrel_node.dll' }[process.platform] ?? 'libpetrel_node.so'

/** The crate that is the addon; cargo compiles it after all others. */
const main = 'petrel-node'

/** The one line that a user sees without cargo. */
const cargoMissing =
  'no cargo on PATH: QUIC and KCP are left out and TLS carries everything; install Rust from https://rustup.rs and run this again'

/** Returns whether the addon is there and up to date. Throws StepFailed when the build fails. */
export async function buildAddon({ sayMissing }) {
  if (!existsSync(inRoot('native/Cargo.lock'))) return false
  const hash = hashFiles(filesBelow('native', (path) => /\.(rs|toml|lock)$/.test(path)))
  if (existsSync(inRoot(addon)) && readStamp(stamp) === hash) return true
  const cargo = findCargo()
  if (cargo === undefined) {
    const stale = existsSync(inRoot(addon))
    // An addon whose sources have moved on must not be loaded by chance.
    if (stale) process.env.PETREL_NATIVE ??= 'off'
    if (sayMissing || stale) console.error(cargoMissing)
    return false
  }
  const native = { cwd: inRoot('native'), env: cargo }
  const crates = await countCrates(native)
  let compiled = 0
  await run('building the native addon', 'cargo', ['build', '--locked', '--release', '-p', main], {
    ...native,
    onLine: (line) => {
      const crate = /^\s*Compiling (\S+)/.exec(line)?.[1]
      if (crate === undefined) return undefined
      compiled++
      if (crate === main) return `the last crate, ${crate}: it takes longest`
      return `crate ${compiled}${crates === 0 ? '' : ` of ${Math.max(crates, compiled)}`}: ${crate}`
    },
  })
  // Renamed into place: a process that has the old one open keeps it whole.
  copyFileSync(join(targetFolder, 'release', library), inRoot(`${addon}.new`))
  renameSync(inRoot(`${addon}.new`), inRoot(addon))
  writeStamp(stamp, hash)
  return true
}

/** How many crates a first build compiles here, fetched on the way; 0: cargo does not say, and its build will tell why. */
async function countCrates(native) {
  const crates = new Set()
  const onLine = (line) => {
    const [crate] = /^\S+ v\d\S*/.exec(line) ?? []
    if (crate === undefined) return line.trim()
    crates.add(crate)
    return undefined
  }
  const args = ['tree', '--locked', '-p', main, '-e', 'normal,build', '--prefix', 'none']
  const code = await run('fetching crates', 'cargo', args, { ...native, onLine, mayFail: true })
  return code === 0 ? crates.size : 0
}
