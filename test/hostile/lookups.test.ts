// A hostile server that opens a flow and closes it in one breath, again and again: while the service's name is looked
// up nothing of it may pile up on the client.

import test from 'ava'
import { limits } from '../../src/base/limits.js'
import { serveFlows } from '../../src/proxy/serve-flows.js'
import type { Datagrams } from '../../src/transport/transport.js'
import { encodeClose } from '../../src/wire/datagrams.js'
import { encodeHeader } from '../../src/wire/headers.js'
import { deferred } from '../support/deferred.js'
import { localService } from '../support/tunnel.js'

test('flows that are opened and closed at once do not pile up behind the look-up of a name', async (t) => {
  const closed = deferred<never>()
  const rounds = 3 * limits.proxy.flowsPerLink
  const visitor = { host: '192.0.2.1', port: 7 }
  const batch = Array.from({ length: rounds }, (_, streamId) =>
    Buffer.concat([encodeHeader({ streamId, proxy: 'game', visitor }), encodeClose(streamId)]),
  )
  const done = deferred<void>()
  const datagrams: Datagrams = {
    maxBytes: 1_200,
    send: () => true,
    async *[Symbol.asyncIterator]() {
      yield batch
      done.resolve()
      await closed.promise
    },
  }
  const service = { ...localService(1, {}), host: 'localhost' }
  const flows = serveFlows({ link: { datagrams, closed: closed.promise }, lookup: () => service, log: () => {} })
  await done.promise
  t.true(flows.active > 0)
  t.true(flows.active <= 2 * limits.proxy.flowsPerLink, `${flows.active} look-ups wait`)
  await flows.close()
  t.is(flows.active, 0)
})
