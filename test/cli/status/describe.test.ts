import test from 'ava'
import { describeClient } from '../../../src/cli/status/describe.js'
import type { Client } from '../../../src/client/options.js'

const service = { host: '127.0.0.1', port: 80 }
const proxy = { name: 'web', type: 'tcp', service, active: 0, counters: {} }

function clientOf(hosts: readonly string[]): Client {
  const session = {
    since: new Date(0),
    transport: 'quic',
    remote: { host: '198.51.100.7', port: 9000 },
    link: { sentBytes: 0, receivedBytes: 0, openStreams: 0 },
    flows: {},
    proxies: hosts.map((host) => ({ ...proxy, public: { host, port: 20_080 } })),
  }
  const server = { host: 'tunnel.example.com', port: 9000 }
  return { status: () => ({ server, state: { state: 'serving' }, session }) } as unknown as Client
}

test('what a client tells of is what visitors dial', (t) => {
  const { sessions } = describeClient(clientOf(['0.0.0.0', '::', '192.0.2.1']))
  t.deepEqual(
    sessions[0]?.proxies.map((one) => one.public),
    ['tunnel.example.com:20080', 'tunnel.example.com:20080', '192.0.2.1:20080'],
  )
})
