// Runs ava and cargo test, shows what they do, and counts. Counts: {passed, failed, skipped}.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { inRoot, root, run, StepFailed } from './run.mjs'

export const sum = (counts) =>
  counts.reduce(
    (all, one) => ({
      passed: all.passed + one.passed,
      failed: all.failed + one.failed,
      skipped: all.skipped + one.skipped,
    }),
    { passed: 0, failed: 0, skipped: 0 },
  )

/** The last line of `npm test` and `npm run gates`; programs read it. */
export const summary = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`

// What ava's own reporter writes for each result. Its TAP reporter would be easier to read for us, but dies of a test
// that times out, and a run without its last results is worse than none.
const passed = /^\s*✔ /
const failed = /^\s*✘ \[(fail|unexpected pass)\]/
const skipped = /^\s*- \[(skip|todo)\]/
const alsoFailed = /^\s*(\d+) (unhandled rejection|uncaught exception|tests? remained pending)/

/** Runs ava and passes its lines on as they come. A failure that belongs to no test counts as one, too. */
export async function runAva(args) {
  const child = spawn(process.execPath, [inRoot('node_modules/ava/entrypoints/cli.mjs'), ...args], {
    cwd: root,
    env: { ...process.env, FORCE_COLOR: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)))
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(line)
    if (passed.test(line)) counts.passed++
    else if (failed.test(line)) counts.failed++
    else if (skipped.test(line)) counts.skipped++
    else counts.failed += Number(alsoFailed.exec(line)?.[1] ?? 0)
  }
  if ((await ended) !== 0 && counts.failed === 0) counts.failed = 1
  return counts
}

/** Runs Rust tests of native/: every one, or those that `only` names. seeds: how many each property test draws. */
export async function runCargoTests(cargoEnv, { seeds = 200, only = ['--workspace'] } = {}) {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  const onLine = (line) => {
    const result = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/.exec(line)
    if (result !== null) {
      counts.passed += Number(result[1])
      counts.failed += Number(result[2])
      counts.skipped += Number(result[3])
    }
    if (/^test .* FAILED$/.test(line)) console.log(`not ok  ${line}`)
    if (line.startsWith('SKIP ')) console.log(line)
    const crate = /^\s*(?:Compiling|Running) (\S+)/.exec(line)?.[1]
    return crate === undefined ? undefined : `${counts.passed} passed, at ${crate}`
  }
  try {
    const args = ['test', '--locked', '--profile', 'tests', '--no-fail-fast', ...only]
    const env = { ...cargoEnv, PETREL_SEEDS: process.env.PETREL_SEEDS ?? String(seeds) }
    await run('Rust tests', 'cargo', args, { cwd: inRoot('native'), env, onLine })
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    console.error(error.output)
    if (counts.failed === 0) counts.failed = 1
  }
  return counts
}
