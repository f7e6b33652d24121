// `npm run gates`: what takes longer than `npm test` may (soaks, fuzzing, long matrices). Runs every
// test/gates/**/*.gate.ts; `npm run gates -- FILE…` only those compiled files.

import { inRoot } from './steps/run.mjs'
import { main, setup } from './steps/setup.mjs'
import { runAva, summary } from './steps/tests.mjs'

await main(async () => {
  await setup()
  const counts = await runAva(['--config', inRoot('scripts/gates.config.mjs'), ...process.argv.slice(2)])
  console.log(summary(counts))
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1
})
