// Builds the native addon (QUIC) with a plain `cargo build` and copies it to where the binding looks for it.

import { copyFileSync, existsSync, readFileSync, renameSync } from 'node:fs'
import { findCargo } from './cargo.mjs'
import { inRoot, run } from './run.mjs'
import { filesBelow, hashFiles, readStamp, writeStamp } from './stamp.mjs'

const addon = `native/petrel.${process.platform}-${process.arch}.node`
const stamp = `native/target/${process.platform}-${process.arch}.sources`
const library = { darwin: 'libpetrel_node.dylib', win32: 'petrel_node.dll' }[process.platform] ?? 'libpetrel_node.so'

/** The one line that a user sees without cargo. */
const cargoMissing =
  'no cargo on PATH: QUIC is left out and TLS carries everything; install Rust from https://rustup.rs and run this again'

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
  const crates = readFileSync(inRoot('native/Cargo.lock'), 'utf8').split('[[package]]').length - 1
  let compiled = 0
  await run('building the native addon', 'cargo', ['build', '--locked', '--release', '-p', 'petrel-node'], {
    cwd: inRoot('native'),
    env: cargo,
    onLine: (line) => {
      const crate = /^\s*Compiling (\S+)/.exec(line)?.[1]
      return crate === undefined ? undefined : `crate ${++compiled} of at most ${crates}: ${crate}`
    },
  })
  // Renamed into place: a process that has the old one open keeps it whole.
  copyFileSync(inRoot('native/target/release', library), inRoot(`${addon}.new`))
  renameSync(inRoot(`${addon}.new`), inRoot(addon))
  writeStamp(stamp, hash)
  return true
}
