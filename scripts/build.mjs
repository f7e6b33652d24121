// `npm run build`: installs and builds what has changed, and nothing else.

import { main, setup } from './steps/setup.mjs'

await main(async () => {
  await setup()
})
