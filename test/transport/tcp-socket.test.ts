import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import test from 'ava'
import { hasAddon, loadAddon } from '../../src/transport/native/binding.js'
import { readErrors } from '../../src/transport/tcp-socket.js'
import { tcpConnect } from '../support/tcp.js'

const withAddon = hasAddon() ? test : test.skip

const ends: readonly [name: string, end: (peer: Socket) => unknown, code: string | undefined][] = [
  ['a FIN', (peer) => peer.end(), undefined],
  ['nothing yet', () => {}, undefined],
  ['a reset', (peer) => peer.resetAndDestroy(), 'ECONNRESET'],
  ['a FIN and then a reset', (peer) => peer.end(() => peer.resetAndDestroy()), undefined],
  ['bytes that nobody will read', (peer) => peer.write('x'), 'ECONNRESET'],
]

for (const [name, end, code] of ends) {
  withAddon(`the next read of a socket: ${name}`, async (t) => {
    // Nobody reads here, so that what came is still there.
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1')
    const accepted = once(server, 'connection') as Promise<[Socket]>
    await once(server, 'listening')
    const address = server.address()
    const peer = await tcpConnect(typeof address === 'object' && address !== null ? address.port : 0)
    const [socket] = await accepted
    socket.on('error', () => {})
    end(peer)
    await wait(50)
    t.is(readErrors()?.(socket)?.code, code)
    socket.destroy()
    peer.destroy()
    server.close()
    await once(server, 'close')
  })
}

withAddon('what is no open socket is no clean end, and nothing is thrown', (t) => {
  t.is(loadAddon().readError(-1), null)
  t.true((loadAddon().readError(1_000_000) ?? 0) > 0)
})
