// `npm run build`: installs and builds what has changed, and nothing else.

import { main, setup } from './steps/setup.mjs'

await main(async () => {
  const addon = await setup()
  console.log(`built, up to date: ${addon ? 'quic, kcp and tls' : 'tls only'}`)
})
