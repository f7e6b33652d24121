// `npm test`: builds what is missing, runs every test, ends with the line "N passed, N failed[, N skipped]".
// `npm test -- FILE…` runs only those compiled files (dist/test/…) and no Rust.

import { existsSync } from 'node:fs'
import { findCargo } from './steps/cargo.mjs'
import { inRoot } from './steps/run.mjs'
import { main, setup } from './steps/setup.mjs'
import { runAva, runCargoTests, sum, summary } from './steps/tests.mjs'

await main(async () => {
  await setup()
  const files = process.argv.slice(2)
  const counts = [await runAva(files)]
  const cargo = findCargo()
  if (files.length === 0 && existsSync(inRoot('native/Cargo.lock'))) {
    if (cargo !== undefined) counts.push(await runCargoTests(cargo))
    else {
      console.log('SKIP  all Rust tests: no cargo on PATH')
      counts.push({ passed: 0, failed: 0, skipped: 1 })
    }
  }
  const total = sum(counts)
  console.log(summary(total))
  return total.failed === 0 && total.passed > 0 ? 0 : 1
})
