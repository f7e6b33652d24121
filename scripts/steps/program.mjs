// Builds the programs of the benches, which `npm run build` leaves out. As a program, with a name from the table: prints
// where it is, or exits with 1 and says why.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { findCargo, targetFolder } from './cargo.mjs'
import { inRoot, run, StepFailed } from './run.mjs'

const programs = {
  emulator: { what: 'the link emulator', crate: 'petrel-netlab', features: ['--features', 'emulator'] },
  visits: { what: 'the visitors of the bench', crate: 'petrel-visits', features: [] },
}

/** Resolves with the path of the program. Throws StepFailed where it cannot be built. */
async function buildProgram(name) {
  const { what, crate, features } = programs[name]
  const cargo = findCargo()
  if (cargo === undefined) throw new StepFailed(`no cargo on PATH: ${what} cannot be built`, '')
  const args = ['build', '--locked', '--release', '-p', crate, ...features]
  await run(`building ${what}`, 'cargo', args, { cwd: inRoot('native'), env: cargo })
  const program = `${targetFolder}/release/${crate}`
  if (!existsSync(program)) throw new StepFailed(`cargo built no ${program}`, '')
  return program
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(await buildProgram(process.argv[2]))
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    console.error(error.output === '' ? error.message : `${error.output}\n${error.message}`)
    process.exitCode = 1
  }
}
