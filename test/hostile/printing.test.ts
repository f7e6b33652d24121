// What a peer says is printed: on the terminal of whoever runs the other end, and in its log. Nothing that a peer sends
// may move a cursor there, set a title, or begin a line of its own.

import { once } from 'node:events'
import test from 'ava'
import type { Log } from '../../src/base/log.js'
import { prove } from '../../src/control/auth.js'
import { transportByName } from '../../src/transport/index.js'
import type { Link } from '../../src/transport/transport.js'
import { decodeHello, encodeMessage } from '../../src/wire/codec.js'
import type { Message } from '../../src/wire/messages.js'
import { makeCredentials } from '../support/credentials.js'
import { clientOptions, serverOptions, startServer, tcpProxy, token, watchClient } from '../support/ends.js'
import { overEach } from '../support/over.js'
import { data, RawPeer, rawListener } from '../support/raw-peer.js'
import { tcpServer } from '../support/tcp.js'

const forged = 'bye\x1b]0;yours\x07\x1b[2J\r\n[12:00:00] INFO: all is well \u009b31m \u202e'
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const steering = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/

/** Answers a client's hello with right proof, and then says the rest. */
async function serve(peer: RawPeer, ...rest: readonly Message[]): Promise<void> {
  await peer.until(() => peer.received(1).length >= 79)
  const hello = decodeHello(peer.received(1).subarray(6, 79))
  const link = {
    exportKey: (label: string, context: Uint8Array, bytes: number) =>
      peer.socket.exportKeyingMaterial(bytes, label, Buffer.from(context)),
  } as unknown as Link
  const proof = prove(link, token, 'server', hello)
  const accepted: Message = { type: 'accepted', sessionId: Buffer.alloc(16), proof, clientName: 'boat' }
  peer.write(...[accepted, ...rest].map((message) => data(1, encodeMessage(message))))
}

test('a stranger in the place of an unverified server refuses in plain text only', async (t) => {
  const credentials = await makeCredentials()
  const listener = await rawListener(credentials, async (peer) => {
    await peer.until(() => peer.received(1).length >= 79)
    peer.write(data(1, encodeMessage({ type: 'refused', name: '', code: 'auth_failed', text: forged })))
  })
  t.teardown(() => listener.close())
  const { client } = watchClient(
    clientOptions(listener.address, transportByName('tls'), credentials.pin, { trust: { kind: 'unverified' } }),
  )
  t.teardown(() => client.close())
  const error = await client.ended
  t.is(error?.code, 'auth_failed')
  t.regex(error?.message ?? '', /all is well/)
  t.notRegex(error?.message ?? '', steering)
})

test('the public address that a server tells is printed as text', async (t) => {
  const credentials = await makeCredentials()
  const listener = await rawListener(credentials, (peer) =>
    serve(peer, { type: 'registered', name: 'echo', host: forged, port: 20_000 }),
  )
  t.teardown(() => listener.close())
  const service = await tcpServer((socket) => socket.pause())
  t.teardown(() => service.close())
  const { client, until } = watchClient(
    clientOptions(listener.address, transportByName('tls'), credentials.pin, {
      proxies: [tcpProxy('echo', service.port)],
    }),
  )
  t.teardown(() => client.close())
  t.notRegex((await until('serving')).proxies[0]!.public!.host, steering)
})

test('what a client asks for stands in the server’s log as text', async (t) => {
  const lines: string[] = []
  const line = (fields: object, message: string) => void lines.push(`${message} ${Object.values(fields).join(' ')}`)
  const log = { trace: line, debug: line, info: line, warn: line, error: line, child: () => log } as unknown as Log
  const server = await startServer(await serverOptions([transportByName('tls')], { log }))
  t.teardown(() => server.close())
  const peer = await RawPeer.dial(server.address)
  t.teardown(() => peer.destroy())
  await peer.authenticate(token)
  const register = { type: 'register', proxy: 'tcp', remotePort: 0, localPort: 1 } as const
  peer.say(
    { ...register, name: 'a', options: { bindAddress: forged } },
    { ...register, name: forged, options: {} },
    { ...register, name: 'b', options: { allow: [forged] } },
  )
  while (lines.filter((text) => text.startsWith('proxy refused')).length < 3) await once(peer.socket, 'data')
  for (const text of lines) t.notRegex(text, steering)
})

overEach('the reason that a peer gives for the end of a link is text', async (t, over) => {
  const listener = await over.listen({ host: '127.0.0.1', port: 0 }, { credentials: await makeCredentials() })
  t.teardown(() => listener.close())
  const dialled = await over.dial(listener.address, { trust: { kind: 'unverified' } })
  const { value: link } = (await listener[Symbol.asyncIterator]().next()) as { value: Link }
  await dialled.close({ code: 0, reason: forged })
  t.notRegex((await link.closed).reason, steering)
})
