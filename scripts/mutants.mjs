// `scripts/mutants`: applies each breakage of mutants-table.mjs in a copy of the repository, builds it and runs the one
// test that must catch it. Prints a line for each; exits 1 when one survives, or fits the source no more.
// `scripts/mutants WORD…` runs only those whose description holds one of the words.

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mutants } from './mutants-table.mjs'
import { findCargo } from './steps/cargo.mjs'
import { compile } from './steps/compile.mjs'
import { install } from './steps/install.mjs'
import { inRoot } from './steps/run.mjs'
import { main } from './steps/setup.mjs'

/** A broken wait hangs: that is caught as well, and need not be waited for long. */
const testTimeout = '15s'

await main(async () => {
  await install()
  await compile()
  const words = process.argv.slice(2)
  const chosen = mutants.filter((mutant) => words.length === 0 || words.some((word) => mutant.break.includes(word)))
  const copy = makeCopy()
  process.once('exit', () => rmSync(copy, { recursive: true, force: true }))
  const cargo = findCargo()
  const outcomes = { caught: 0, survived: 0, stale: 0, skipped: 0 }
  for (const mutant of chosen) {
    const began = Date.now()
    const isRust = mutant.file.endsWith('.rs')
    const outcome = isRust && cargo === undefined ? 'skipped' : tryOut(mutant, copy, isRust ? cargo : undefined)
    outcomes[outcome]++
    const seconds = ((Date.now() - began) / 1000).toFixed(1)
    console.log(`${outcome.padEnd(8)} ${mutant.break} (${mutant.file}; ${mutant.test[1]}) ${seconds} s`)
  }
  const skipped = outcomes.skipped === 0 ? '' : `, ${outcomes.skipped} skipped: no cargo on PATH`
  console.log(`${outcomes.caught} caught, ${outcomes.survived} survived, ${outcomes.stale} stale${skipped}`)
  return outcomes.survived + outcomes.stale === 0 && outcomes.caught > 0 ? 0 : 1
})

/** Sources and what is built of them; dependencies are those of the repository. */
function makeCopy() {
  const copy = mkdtempSync(join(tmpdir(), 'petrel-mutants-'))
  for (const name of ['src', 'test', 'scripts', 'configs', 'dist', 'package.json', 'tsconfig.json', 'README.md']) {
    if (existsSync(inRoot(name))) cpSync(inRoot(name), join(copy, name), { recursive: true })
  }
  symlinkSync(inRoot('node_modules'), join(copy, 'node_modules'))
  const isSource = (path) => !path.startsWith(inRoot('native', 'target'))
  if (existsSync(inRoot('native')))
    cpSync(inRoot('native'), join(copy, 'native'), { recursive: true, filter: isSource })
  return copy
}

/** 'caught' only when the test passes on the whole source and fails on the broken one. */
function tryOut({ file, from, to, test }, copy, cargo) {
  const path = join(copy, file)
  const whole = readFileSync(path, 'utf8')
  if (whole.split(from).length !== 2 || !passes(test, copy, cargo)) return 'stale'
  writeFileSync(
    path,
    whole.replace(from, () => to),
  )
  try {
    return passes(test, copy, cargo) ? 'survived' : 'caught'
  } finally {
    writeFileSync(path, whole)
  }
}

function passes([where, title], copy, cargo) {
  if (where.endsWith('.js')) {
    // Types may be wrong in broken code; it is emitted all the same, and the test decides.
    node(copy, ['node_modules/typescript/bin/tsc', '-p', '.'])
    const run = node(copy, ['node_modules/ava/entrypoints/cli.mjs', '--timeout', testTimeout, '--match', title, where])
    return run.status === 0 && / tests? passed/.test(run.stdout)
  }
  const named = spawnSync('cargo', ['test', '--locked', '--package', where, '--', title], {
    cwd: join(copy, 'native'),
    encoding: 'utf8',
    env: { ...process.env, ...cargo, CARGO_TARGET_DIR: join(copy, 'native', 'target') },
  })
  return named.status === 0 && /[1-9]\d* passed/.test(named.stdout)
}

function node(cwd, args) {
  return spawnSync(process.execPath, args, { cwd, encoding: 'utf8' })
}
