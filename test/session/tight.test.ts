// Races over real quic, kcp and tls that are decided by a hair, and races that are given up in the middle: one session each or
// none, nothing said of the losers, and nothing left open at either end.

import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { limits } from '../../src/base/limits.js'
import type { Log } from '../../src/base/log.js'
import type { Client } from '../../src/client/options.js'
import type { Server } from '../../src/server/options.js'
import { transportByName } from '../../src/transport/index.js'
import { hasAddon } from '../../src/transport/native/binding.js'
import type { Transport } from '../../src/transport/transport.js'
import { clientOptions, serverOptions, silent, startServer, tcpProxy, watchClient } from '../support/ends.js'
import { descriptors, eventually } from '../support/ground.js'

const needsAddon = hasAddon() ? test.serial : test.serial.skip
const [quic, kcp, tls] = [transportByName('quic'), transportByName('kcp'), transportByName('tls')]
const all = [quic, kcp, tls]
const clients = 24
const rounds = 4
/** When tls starts; by then the other two have mostly, or just not, answered. */
const headStartMs = limits.race.startAfterMs.kcp + limits.race.startAfterMs.tls

/** Its handshake begins so much later. */
const delayed = (transport: Transport, ms: () => number): Transport => ({
  ...transport,
  async dial(address, options) {
    await sleep(ms(), undefined, { signal: options.signal })
    return transport.dial(address, options)
  },
})

/** The others later than tls by about what their handshakes differ on a busy machine. */
const close = () => [
  delayed(quic, () => headStartMs + Math.random() * 250),
  delayed(kcp, () => headStartMs - limits.race.startAfterMs.kcp + Math.random() * 250),
  tls,
]

interface Ground {
  readonly server: Server
  /** Warnings and errors of the server. */
  readonly said: string[]
  /** Descriptors of this process when one client had been here. */
  readonly before: number
}

async function ground(t: ExecutionContext): Promise<Ground> {
  const said: string[] = []
  const keep = (_: unknown, line?: string) => void said.push(line ?? '')
  const log: Log = { ...silent, warn: keep, error: keep, child: () => log }
  const options = await serverOptions(all, { log })
  const limits = { ...options.limits, clients: 100, handshakes: 500, handshakesPerNetwork: 500 }
  const server = await startServer({ ...options, limits })
  t.teardown(() => server.close())
  // Once, so that what the engine opens for good is there.
  const { client, until } = watchClient(clientOptions(server.address, all, server.pin))
  await until('serving')
  await client.close()
  await eventually(() => server.sessions().length === 0)
  return { server, said, before: descriptors().length }
}

async function assertNothingLeft(t: ExecutionContext, { server, said, before }: Ground): Promise<void> {
  await eventually(() => server.sessions().length === 0 && descriptors().length <= before)
  t.deepEqual(server.sessions(), [])
  t.true(descriptors().length <= before, descriptors().join())
  t.deepEqual(said, [])
}

needsAddon('races that are decided by a hair leave one session each', async (t) => {
  const here = await ground(t)
  const won: Record<string, number> = { quic: 0, kcp: 0, tls: 0 }
  for (let round = 0; round < rounds; round++) {
    const watched = Array.from({ length: clients }, (_, n) =>
      watchClient(clientOptions(here.server.address, close(), here.server.pin, { proxies: [tcpProxy(`p${n}`, 9)] })),
    )
    for (const { until } of watched) {
      const { transport, proxies } = await until('serving')
      won[transport]!++
      t.deepEqual(
        proxies.map(({ refused }) => refused),
        [undefined],
      )
    }
    await sleep(50) // for losers that are on their way
    t.is(here.server.sessions().length, clients)
    t.true(watched.every(({ client }) => client.state.state === 'serving'))
    await Promise.all(watched.map(({ client }) => client.close()))
    await eventually(() => here.server.sessions().length === 0)
  }
  t.log(JSON.stringify(won))
  await assertNothingLeft(t, here)
})

needsAddon('races that are given up at any moment leave nothing', async (t) => {
  const here = await ground(t)
  for (let round = 0; round < rounds; round++) {
    const started: Client[] = Array.from({ length: clients }, () =>
      watchClient(clientOptions(here.server.address, close(), here.server.pin)),
    ).map(({ client }) => client)
    await Promise.all(
      started.map(async (client) => {
        await sleep(headStartMs - 20 + Math.random() * 100)
        await client.close()
        t.like(client.state, { state: 'ended', error: undefined })
      }),
    )
  }
  await assertNothingLeft(t, here)
})
