// The congestion control of TLS links, which the addon sets where the system allows it.

import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import test from 'ava'
import { hasAddon, loadAddon } from '../../src/transport/native/binding.js'
import { tlsTransport } from '../../src/transport/tls.js'
import { makeCredentials } from '../support/credentials.js'

const sysctl = (name: string): string[] => {
  const file = `/proc/sys/net/ipv4/${name}`
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ') : []
}

async function congestionOfBothEnds(t: { teardown(fn: () => Promise<void>): void }) {
  const transport = tlsTransport()
  const listener = await transport.listen({ host: '127.0.0.1', port: 0 }, { credentials: await makeCredentials() })
  t.teardown(() => listener.close())
  const link = await transport.dial(listener.address, { trust: { kind: 'unverified' } })
  t.teardown(() => link.close())
  const { value: far } = await listener[Symbol.asyncIterator]().next()
  return [link, far].map((end) => end.stats().congestionControl)
}

const mayUseBbr = hasAddon() && sysctl('tcp_allowed_congestion_control').includes('bbr')
const maybe = mayUseBbr ? test.serial : test.serial.skip
if (!mayUseBbr) console.log('SKIP: bbr on TLS links, no addon or no bbr in net.ipv4.tcp_allowed_congestion_control')

maybe('both ends of a TLS link use bbr where the system allows it', async (t) => {
  t.deepEqual(await congestionOfBothEnds(t), ['bbr', 'bbr'])
})

test.serial('without the addon a TLS link stands all the same, and its congestion control is not known', async (t) => {
  const before = process.env.PETREL_NATIVE
  process.env.PETREL_NATIVE = 'off'
  t.teardown(() => {
    if (before === undefined) delete process.env.PETREL_NATIVE
    else process.env.PETREL_NATIVE = before
  })
  t.deepEqual(await congestionOfBothEnds(t), [undefined, undefined])
})

const withAddon = hasAddon() ? test.serial : test.serial.skip
if (!hasAddon()) console.log('SKIP: what the addon makes of descriptors, no addon')

const isLinux = process.platform === 'linux'
const onLinux = hasAddon() && isLinux ? test.serial : test.serial.skip
if (!isLinux) console.log('SKIP: a socket takes the congestion control that it is told, not Linux')

// reno is in every kernel and allowed to everybody.
onLinux(
  'a socket takes the congestion control that it is told, and keeps it when told one that there is not',
  async (t) => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    await once(socket, 'connect')
    t.teardown(() => {
      socket.destroy()
      server.close()
    })
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle
    const { useTcpCongestion } = loadAddon()
    t.is(useTcpCongestion(fd, 'reno'), 'reno')
    for (const name of ['petrel', '', 'x'.repeat(1000)]) t.is(useTcpCongestion(fd, name), 'reno', name)
    if (mayUseBbr) t.is(useTcpCongestion(fd, 'bbr'), 'bbr')
  },
)

withAddon('what is no TCP socket has no congestion control, and nothing is thrown', (t) => {
  const file = openSync('/dev/null', 'r')
  for (const fd of [-1, -2147483648, file, 1_000_000]) t.is(loadAddon().useTcpCongestion(fd, 'bbr'), null, `${fd}`)
  closeSync(file)
})
