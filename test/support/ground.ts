// A tunnel that works, for attacks to be tried beside: server, a healthy client with an echo, and the questions that
// each attack has to leave answered as before: does the healthy visitor still get its bytes, is every descriptor back.

import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { makeToken } from '../../src/base/token.js'
import type { Server, ServerOptions } from '../../src/server/options.js'
import type { Transport } from '../../src/transport/transport.js'
import { clientOptions, serverOptions, startServer, tcpProxy, token, watchClient } from './ends.js'

export interface Ground {
  readonly server: Server
  readonly options: ServerOptions
  readonly transport: Transport
  /** Of the client that is attacked with or against; the healthy one has its own. */
  readonly token: string
  /** Public port of the healthy client's echo. */
  readonly healthyPort: number
  /** Asserts that nothing of an attack is left: a visitor of the healthy client gets its own bytes back, only that
   *  client is there, and exactly the descriptors of the beginning are open. Whoever attacked has let go before. */
  assertUnharmed(t: ExecutionContext): Promise<void>
  close(): Promise<void>
}

/** The healthy client stands when it resolves. more: over serverOptions of support/ends.ts; limits are merged. */
export async function startGround(
  transports: readonly Transport[],
  more: Partial<Omit<ServerOptions, 'limits'>> & { limits?: Partial<ServerOptions['limits']> } = {},
): Promise<Ground> {
  const healthy = makeToken()
  const clients = [
    { name: 'healthy', token: healthy },
    { name: 'attacker', token },
  ]
  const base = await serverOptions(transports)
  const options = { ...base, clients, ...more, limits: { ...base.limits, ...more.limits } }
  const server = await startServer(options)
  const echo = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  const transport = transports[0]!
  const proxies = [tcpProxy('healthy-echo', (echo.address() as net.AddressInfo).port)]
  const { client, until } = watchClient(
    clientOptions(server.address, transport, server.pin, { token: healthy, proxies }),
  )
  const port = (await until('serving')).proxies[0]?.public?.port ?? 0
  await askEcho(port, 'ready')
  await eventually(() => server.sessions()[0]?.proxies[0]?.active === 0)
  const before = descriptors()
  return {
    server,
    options,
    transport,
    token,
    healthyPort: port,
    async assertUnharmed(t) {
      await t.notThrowsAsync(askEcho(port, `still here ${Math.random()}`))
      await eventually(() => server.sessions().length === 1 && descriptors().length === before.length)
      t.deepEqual(
        server.sessions().map((session) => session.client),
        ['healthy'],
      )
      t.deepEqual(descriptors(), before)
    },
    async close() {
      await client.close()
      await server.close()
      echo.close()
      await once(echo, 'close')
    },
  }
}

/** Sends text and FIN, and wants exactly that back. */
export async function askEcho(port: number, text: string): Promise<void> {
  const socket = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  socket.end(text)
  let answer = ''
  for await (const chunk of socket) answer += chunk
  if (answer !== text) throw new Error(`an echo of "${text}" came back as "${answer}"`)
}

/** Open sockets, pipes and files of this process: what each descriptor leads to. */
export function descriptors(): readonly string[] {
  const open: string[] = []
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      open.push(readlinkSync(`/proc/self/fd/${fd}`).replace(/\d{4,}/, 'N'))
    } catch {
      // The descriptor of the listing itself.
    }
  }
  return open.sort()
}

const patienceMs = 10_000

/** Returns once it is so, or after 10 s: the assertion that follows says what is not. */
export async function eventually(isSo: () => boolean): Promise<void> {
  for (const began = Date.now(); !isSo() && Date.now() - began < patienceMs; ) await sleep(20)
}
