// Builds the link emulator, which `npm run build` leaves out. As a program: prints where it is, or exits with 1 and says why.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { findCargo, targetFolder } from './cargo.mjs'
import { inRoot, run, StepFailed } from './run.mjs'

/** Resolves with the path of the program. Throws StepFailed where it cannot be built. */
export async function buildEmulator() {
  const cargo = findCargo()
  if (cargo === undefined) throw new StepFailed('no cargo on PATH: the link emulator cannot be built', '')
  const args = ['build', '--locked', '--release', '-p', 'petrel-netlab', '--features', 'emulator']
  await run('building the link emulator', 'cargo', args, { cwd: inRoot('native'), env: cargo })
  const program = `${targetFolder}/release/petrel-netlab`
  if (!existsSync(program)) throw new StepFailed(`cargo built no ${program}`, '')
  return program
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(await buildEmulator())
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    console.error(error.output === '' ? error.message : `${error.output}\n${error.message}`)
    process.exitCode = 1
  }
}
