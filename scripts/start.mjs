// `npm start`: from a fresh clone to a running demo. Arguments go to `petrel demo` (npm start -- --check).

import { inRoot } from './steps/run.mjs'
import { main, setup } from './steps/setup.mjs'

await main(async () => {
  await setup({ addonMayFail: true, sayMissing: false })
  process.argv.splice(2, 0, 'demo')
  // In this very process, so that Ctrl-C reaches the demo once and nothing stands between it and the terminal.
  await import(inRoot('dist/src/cli/main.js'))
})
