// A process of its own that listens over QUIC and sends back what each stream brings. Tells its parent port and pin.

import { limits } from '../../src/base/limits.js'
import { quicTransport } from '../../src/transport/quic.js'
import type { Link } from '../../src/transport/transport.js'
import { makeCredentials } from './credentials.js'

const credentials = await makeCredentials()
const listener = await quicTransport().listen({ host: '127.0.0.1', port: 0 }, { credentials })
process.send?.({ port: listener.address.port, pin: Buffer.from(credentials.pin).toString('hex') })

async function echo(link: Link): Promise<void> {
  link.raiseLimits(limits.link.authenticated)
  for await (const stream of link) stream.pipe(stream)
}

for await (const link of listener) void echo(link)
