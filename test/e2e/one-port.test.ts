// QUIC and KCP on one UDP port of the real binary, and KCP on a port of its own (kcp_port).

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'
import { hasAddon } from '../../src/transport/native/binding.js'
import type { TransportName } from '../../src/transport/transport.js'
import { startPetrel } from '../cli/petrel.js'
import { testFolder } from '../config/folder.js'
import { token } from '../support/ends.js'
import { askEcho } from '../support/ground.js'
import { declare } from '../support/over.js'
import { freePort } from '../support/programs.js'
import { tcpServer } from '../support/tcp.js'

const unless = hasAddon() ? '' : 'without the addon there is neither'
const udpNames = ['quic', 'kcp'] as const
const silenceMs = 500

/** First packets of a version that nobody speaks, which a listener of the protocol answers with those that it does. */
const questions: Readonly<Record<'quic' | 'kcp', Buffer>> = {
  quic: padded('c0', 'faceb00c', '08', '0101010101010101', '00'),
  kcp: padded('10', '00'.repeat(8), '00'.repeat(8), 'ffffffff', '0202020202020202', '00'),
}

function padded(...fields: readonly string[]): Buffer {
  const packet = Buffer.alloc(1_200)
  Buffer.from(fields.join(''), 'hex').copy(packet)
  return packet
}

/** Which of the two answer on this port. */
async function answering(port: number): Promise<TransportName[]> {
  const answers = udpNames.map(async (name) => {
    const socket = createSocket('udp4')
    socket.send(questions[name], port, '127.0.0.1')
    const heard = await Promise.race([
      once(socket, 'message').then(() => true),
      new Promise<boolean>((resolve) => setTimeout(resolve, silenceMs, false)),
    ])
    socket.close()
    return heard ? [name] : []
  })
  return (await Promise.all(answers)).flat()
}

async function setUp(t: ExecutionContext, keys: string) {
  const echo = await tcpServer((socket) => socket.pipe(socket))
  t.teardown(() => echo.close())
  const folder = testFolder(t)
  folder.write('token', `${token}\n`)
  const port = await freePort()
  const serverYaml = `bind_addr: 127.0.0.1
bind_port: ${port}
auth_token_file: ./token
${keys}`
  const args = ['server', '--json', '--config', folder.write('server.yaml', serverYaml)]
  await startPetrel(t, args, { home: testFolder(t).path }).said('stderr', /"msg":"listening/)
  /** A client over one transport; the public port of its echo. */
  const serve = async (over: TransportName) => {
    const clientYaml = `server: 127.0.0.1:${port}
token_file: ./token
transport: ${over}
${keys}proxies:
  echo-${over}: { type: tcp, local_port: ${echo.port} }
`
    const args = ['client', '--json', '--config', folder.write(`${over}.yaml`, clientYaml)]
    const client = startPetrel(t, args, { home: testFolder(t).path })
    const [, publicPort] = await client.said('stdout', /"event":"serving".*"public":"[^"]*:(\d+)"/)
    return Number(publicPort)
  }
  return { port, serve }
}

async function assertBothServe(t: ExecutionContext, serve: (over: TransportName) => Promise<number>): Promise<void> {
  const ports = await Promise.all(udpNames.map(serve))
  await t.notThrowsAsync(Promise.all(ports.map((port) => askEcho(port, `by way of ${port}`))))
}

declare(
  'a server on one UDP port serves clients over quic and over kcp at once',
  async (t) => {
    const { port, serve } = await setUp(t, '')
    t.deepEqual(await answering(port), ['quic', 'kcp'])
    await assertBothServe(t, serve)
  },
  { unless, serial: true },
)

declare(
  'with kcp_port each has a port of its own, and clients find both',
  async (t) => {
    const kcpPort = await freePort()
    const { port, serve } = await setUp(t, `kcp_port: ${kcpPort}\n`)
    t.deepEqual(await answering(port), ['quic'])
    t.deepEqual(await answering(kcpPort), ['kcp'])
    await assertBothServe(t, serve)
  },
  { unless, serial: true },
)
