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

/** Runs ava with its TAP reporter; each result is a line as it comes. Counts are those of TAP's own summary. */
export async function runAva(args) {
  const child = spawn(process.execPath, [inRoot('node_modules/ava/entrypoints/cli.mjs'), '--tap', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('close', (code) => resolve(code ?? 1)))
  const counts = { pass: 0, skip: 0, fail: 0 }
  let summed = false
  for await (const line of createInterface({ input: child.stdout })) {
    const count = /^# (tests|pass|skip|fail) (\d+)$/.exec(line)
    if (count !== null) {
      counts[count[1]] = Number(count[2])
      summed = true
    } else if (!/^(TAP version|\d+\.\.\d+|\s*$)/.test(line)) console.log(line.replace(/^(not ok|ok) \d+ - /, '$1  '))
  }
  const code = await ended
  // ava that dies on the way, or that fails for a reason which it does not count, is a failure all the same.
  const failed = !summed || (code !== 0 && counts.fail === 0) ? counts.fail + 1 : counts.fail
  return { passed: counts.pass, failed, skipped: counts.skip }
}

/** Runs every Rust test of the workspace in native/. */
export async function runCargoTests(cargoEnv) {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  const onLine = (line) => {
    const result = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/.exec(line)
    if (result !== null) {
      counts.passed += Number(result[1])
      counts.failed += Number(result[2])
      counts.skipped += Number(result[3])
    }
    if (/^test .* FAILED$/.test(line)) console.log(`not ok  ${line}`)
    const crate = /^\s*(?:Compiling|Running) (\S+)/.exec(line)?.[1]
    return crate === undefined ? undefined : `${counts.passed} passed, at ${crate}`
  }
  try {
    const args = ['test', '--locked', '--release', '--workspace', '--no-fail-fast']
    await run('Rust tests', 'cargo', args, { cwd: inRoot('native'), env: cargoEnv, onLine })
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    console.error(error.output)
    if (counts.failed === 0) counts.failed = 1
  }
  return counts
}
