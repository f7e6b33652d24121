// `npm run gates`: what takes longer than `npm test` may (soaks, fuzzing, long matrices). Runs every
// test/gates/**/*.gate.ts and Rust's property tests with many seeds; `npm run gates -- FILE…` only those compiled files.

import { findCargo } from './steps/cargo.mjs'
import { inRoot } from './steps/run.mjs'
import { main, setup } from './steps/setup.mjs'
import { runAva, runCargoTests, sum, summary } from './steps/tests.mjs'

const properties = [
  { seeds: 2000, only: ['-p', 'petrel-kcp', '--test', 'property'] },
  { seeds: 200, only: ['-p', 'petrel-congestion', '--test', 'paths'] },
  { seeds: 600, only: ['-p', 'petrel-congestion', '--test', 'sharing'] },
  { seeds: 600, only: ['-p', 'petrel-engine', '--lib', 'satellite'] },
]

await main(async () => {
  await setup()
  const files = process.argv.slice(2)
  const counts = [await runAva(['--config', inRoot('scripts/gates.config.mjs'), ...files])]
  const cargo = findCargo()
  if (files.length === 0 && cargo !== undefined)
    for (const property of properties) counts.push(await runCargoTests(cargo, property))
  const total = sum(counts)
  console.log(summary(total))
  return total.failed === 0 && total.passed > 0 ? 0 : 1
})
