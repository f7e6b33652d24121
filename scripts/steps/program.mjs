// Builds a program of the benches, which `npm run build` leaves out: `program.mjs emulator` or `program.mjs visits`. Prints
// where it is, or exits with 1 and says why.

import { existsSync } from 'node:fs'
import { findCargo, targetFolder } from './cargo.mjs'
import { inRoot, run, StepFailed } from './run.mjs'

const programs = {
  emulator: { what: 'the link emulator', crate: 'petrel-netlab', more: ['--features', 'emulator'] },
  visits: { what: 'the visitors of the bench', crate: 'petrel-visits', more: [] },
}

async function build({ what, crate, more }) {
  const cargo = findCargo()
  if (cargo === undefined) throw new StepFailed(`no cargo on PATH: ${what} cannot be built`, '')
  const args = ['build', '--locked', '--release', '-p', crate, ...more]
  await run(`building ${what}`, 'cargo', args, { cwd: inRoot('native'), env: cargo })
  const program = `${targetFolder}/release/${crate}`
  if (!existsSync(program)) throw new StepFailed(`cargo built no ${program}`, '')
  return program
}

try {
  const program = programs[process.argv[2]]
  if (program === undefined) throw new StepFailed(`usage: program.mjs ${Object.keys(programs).join('|')}`, '')
  console.log(await build(program))
} catch (error) {
  if (!(error instanceof StepFailed)) throw error
  console.error(error.output === '' ? error.message : `${error.output}\n${error.message}`)
  process.exitCode = 1
}
