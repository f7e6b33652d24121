// Links of one race at the server: one is admitted, whichever comes first, and nothing of the others is ever seen.

import { randomBytes } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'
import { isPetrelError } from '../../src/base/errors.js'
import { type Greeted, greet, type Introduction } from '../../src/control/handshake.js'
import type { Server } from '../../src/server/options.js'
import { transportByName } from '../../src/transport/index.js'
import { hasAddon } from '../../src/transport/native/binding.js'
import type { Link, Transport, TransportName } from '../../src/transport/transport.js'
import type { Register } from '../../src/wire/messages.js'
import { serverOptions, silent, startServer, token } from '../support/ends.js'
import { eventually } from '../support/ground.js'

const clientId = randomBytes(16)
const registers = ['ssh', 'web'].map(
  (name): Register => ({ type: 'register', proxy: 'tcp', name, remotePort: 0, localPort: 1, options: {} }),
)
const introduction = (): Introduction => ({ credential: { token }, clientId, dialId: randomBytes(16), registers })

interface Ended {
  readonly link: Link
  /** Undefined: it was refused because another link of its dial was there first. */
  readonly greeted: Greeted | undefined
}

async function say(link: Link, introduction: Introduction): Promise<Ended> {
  try {
    return { link, greeted: await greet(link, introduction) }
  } catch (error) {
    if (!isPetrelError(error, 'dial_taken')) throw error
    return { link, greeted: undefined }
  }
}

/** Exactly one was admitted, it has its proxies, and it is not superseded by its own sibling. */
async function assertOne(t: ExecutionContext, server: Server, ends: readonly Ended[]): Promise<Ended> {
  const [winner, ...more] = ends.filter(({ greeted }) => greeted !== undefined)
  t.deepEqual(more, [])
  for (const { name } of registers) t.like(await winner?.greeted?.channel.receive(), { type: 'registered', name })
  for (const loser of ends) if (loser !== winner) await loser.link.close()
  winner?.greeted?.channel.send({ type: 'heartbeat' })
  t.like(await winner?.greeted?.channel.receive(), { type: 'heartbeatReply' })
  t.deepEqual(
    server.sessions().map(({ transport, proxies }) => [transport, proxies.map(({ name }) => name)]),
    [[winner?.link.transport, ['ssh', 'web']]],
  )
  return winner!
}

const rounds = 50
const names: readonly TransportName[] = hasAddon() ? ['memory', 'tls', 'quic', 'kcp'] : ['memory', 'tls']
const pairs = names.flatMap((one) => names.map((other): readonly TransportName[] => [one, other]))
const races = hasAddon() ? [...pairs, ['quic', 'kcp', 'tls'] as const] : pairs

for (const dialled of races) {
  test.serial(
    `of ${dialled.length} links of one race, ${dialled.join(' and ')}, one is admitted, many times`,
    async (t) => {
      const transports: readonly Transport[] = [...new Set(dialled)].map((name) => transportByName(name))
      const said: string[] = []
      const log = { ...silent, warn: (_: object, line?: string) => void said.push(line ?? '') }
      const server = await startServer(await serverOptions(transports, { log }))
      const won: string[] = []
      // The session of the round before is still there: the winner takes its names over, and hears nothing of it.
      for (let round = 0; round < rounds; round++) {
        const links = await Promise.all(
          dialled.map((name) =>
            transportByName(name).dial(server.address, { trust: { kind: 'pin', pin: server.pin } }),
          ),
        )
        const common = introduction()
        const ends = await Promise.all(links.map((link) => say(link, common)))
        const winner = await assertOne(t, server, ends)
        won.push(winner.link.transport)
      }
      t.log(JSON.stringify(Object.fromEntries(dialled.map((name) => [name, won.filter((one) => one === name).length]))))
      t.deepEqual(said, [])
      await server.close()
      t.is(server.sessions().length, 0)
    },
  )
}

test('a link of a dial that was admitted and has ended is refused: it opens nothing for nobody', async (t) => {
  const tls = transportByName('tls')
  const server = await startServer(await serverOptions([tls]))
  const dial = () => tls.dial(server.address, { trust: { kind: 'pin', pin: server.pin } })
  const first = introduction()
  const won = await say(await dial(), first)
  await won.link.close()
  await eventually(() => server.sessions().length === 0)
  t.is((await say(await dial(), first)).greeted, undefined)
  t.is(server.sessions().length, 0)
  // Nor does it take the place of the dial after it.
  const second = await say(await dial(), introduction())
  t.is((await say(await dial(), first)).greeted, undefined)
  await assertOne(t, server, [second])
  await server.close()
})

test('a link that is closed before its hello is no line in the log', async (t) => {
  const tls = transportByName('tls')
  const said: string[] = []
  const log = { ...silent, warn: (_: object, line?: string) => void said.push(line ?? '') }
  const server = await startServer(await serverOptions([tls], { log }))
  for (let round = 0; round < 5; round++) {
    const link = await tls.dial(server.address, { trust: { kind: 'pin', pin: server.pin } })
    await link.close({ code: 0, reason: 'giving up' })
  }
  await server.close()
  t.deepEqual(said, [])
})
