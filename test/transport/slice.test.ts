// The first bytes over each transport: dial, echo, half-close, close.

import test from 'ava'
import { transportByName } from '../../src/transport/index.js'
import { makeCredentials } from '../support/credentials.js'

for (const name of ['memory', 'tls'] as const) {
  test(`${name}: an echo comes back whole after a half-close`, async (t) => {
    const credentials = await makeCredentials()
    const transport = transportByName(name)
    const listener = await transport.listen({ host: '127.0.0.1', port: 0 }, { credentials })
    const serving = (async () => {
      for await (const link of listener) {
        for await (const stream of link) stream.pipe(stream)
        return await link.closed
      }
      return undefined
    })()
    const link = await transport.dial(listener.address, { trust: { kind: 'pin', pin: credentials.pin } })
    const stream = await link.open()
    const sent = Buffer.alloc(300_000, 'petrel')
    stream.end(sent)
    const pieces: Buffer[] = []
    for await (const piece of stream) pieces.push(piece as Buffer)
    t.deepEqual(Buffer.concat(pieces), sent)
    await link.close()
    t.like(await serving, { by: 'peer', code: 0 })
    await listener.close()
  })
}
