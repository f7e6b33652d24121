// What quic and kcp say when the addon is not to be had. In a file, and so a process, of its own: the addon loads once.

import test from 'ava'
import { transportByName } from '../../src/transport/index.js'
import { hasAddon } from '../../src/transport/native/binding.js'
import { makeCredentials } from '../support/credentials.js'
import { rejection } from '../support/stream-ends.js'

test('without the addon, dial and listen say native_missing and what to do', async (t) => {
  process.env.PETREL_NATIVE = 'off'
  const address = { host: '127.0.0.1', port: 0 }
  for (const transport of [transportByName('quic'), transportByName('kcp')]) {
    const dialled = await rejection(transport.dial(address, { trust: { kind: 'unverified' } }))
    const listened = await rejection(transport.listen(address, { credentials: await makeCredentials() }))
    for (const error of [dialled, listened]) {
      t.is(error.code, 'native_missing')
      t.regex(error.message, /npm run build.*transport tls/)
    }
  }
  t.false(hasAddon())
})
