// Registrations that the server must refuse, each with its code, from a client that has proved its token. Nothing of a
// refused one stays: no name, no port, no descriptor; and the session goes on, unless it broke the protocol.

import { once } from 'node:events'
import net from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { type ErrorCode, LinkEnd } from '../../src/base/errors.js'
import { transportByName } from '../../src/transport/index.js'
import { decodeMessage, encodeMessage } from '../../src/wire/codec.js'
import type { Message, Register } from '../../src/wire/messages.js'
import { type Ground, startGround } from '../support/ground.js'
import { data, type RawFrame, RawPeer, Type } from '../support/raw-peer.js'

let ground: Ground
let held: net.Server
test.before(async () => {
  // A port of the range that another program of this machine holds.
  for (let port = 29_000; held === undefined || !held.listening; port++) {
    held = net.createServer()
    held.listen(port, '127.0.0.1')
    await Promise.race([once(held, 'listening'), new Promise((resolve) => held.once('error', resolve))])
  }
  ground = await startGround([transportByName('tls')], { limits: { registrationsPerMinute: 2_000 } })
})
test.after.always(() => {
  held.close()
  return ground.close()
})

const heldPort = () => (held.address() as net.AddressInfo).port
const register = (more: Partial<Register> = {}): Register => ({
  type: 'register',
  proxy: 'tcp',
  name: 'mine',
  remotePort: 0,
  localPort: 1,
  options: {},
  ...more,
})

interface Row {
  readonly title: string
  ask(): Register
  readonly code: ErrorCode
}

const rows: readonly Row[] = [
  { title: 'no name', ask: () => register({ name: '' }), code: 'config_invalid' },
  { title: 'a name with a slash', ask: () => register({ name: '../etc' }), code: 'config_invalid' },
  { title: 'a name with a line end', ask: () => register({ name: 'a\nb' }), code: 'config_invalid' },
  { title: 'a name in Greek', ask: () => register({ name: 'γρ' }), code: 'config_invalid' },
  { title: 'a name of 65 characters', ask: () => register({ name: 'n'.repeat(65) }), code: 'config_invalid' },
  { title: 'a name of 255 characters', ask: () => register({ name: 'n'.repeat(255) }), code: 'config_invalid' },
  { title: 'the name of another client', ask: () => register({ name: 'healthy-echo' }), code: 'name_taken' },
  { title: 'port 1', ask: () => register({ remotePort: 1 }), code: 'port_refused' },
  { title: 'port 80', ask: () => register({ remotePort: 80 }), code: 'port_refused' },
  { title: 'the port below the range', ask: () => register({ remotePort: 19_999 }), code: 'port_refused' },
  { title: 'the port above the range', ask: () => register({ remotePort: 30_001 }), code: 'port_refused' },
  { title: 'port 65,535', ask: () => register({ remotePort: 65_535 }), code: 'port_refused' },
  { title: 'the port of another client', ask: () => register({ remotePort: ground.healthyPort }), code: 'port_taken' },
  {
    title: 'a port that the system gave away',
    ask: () => register({ remotePort: heldPort() }),
    code: 'address_in_use',
  },
  { title: 'every address', ask: () => register({ options: { bindAddress: '0.0.0.0' } }), code: 'port_refused' },
  { title: 'every IPv6 address', ask: () => register({ options: { bindAddress: '::' } }), code: 'port_refused' },
  {
    title: 'a host name to bind',
    ask: () => register({ options: { bindAddress: 'example.com' } }),
    code: 'port_refused',
  },
  { title: 'a number to bind', ask: () => register({ options: { bindAddress: '127.0.0.999' } }), code: 'port_refused' },
  {
    title: 'an allow list of words',
    ask: () => register({ options: { allow: ['everybody'] } }),
    code: 'config_invalid',
  },
  {
    title: 'a range of 33 bits',
    ask: () => register({ options: { allow: ['192.0.2.0/33'] } }),
    code: 'config_invalid',
  },
  { title: 'a deny list of nothing', ask: () => register({ options: { deny: [''] } }), code: 'config_invalid' },
  {
    title: 'a range with a zone',
    ask: () => register({ options: { deny: ['fe80::1%lo/64'] } }),
    code: 'config_invalid',
  },
  { title: 'an idle timeout of 0', ask: () => register({ options: { idleTimeoutMs: 0 } }), code: 'config_invalid' },
  { title: 'room for nobody', ask: () => register({ options: { maxConnections: 0 } }), code: 'config_invalid' },
]

async function client(t: ExecutionContext): Promise<RawPeer> {
  const peer = await RawPeer.dial(ground.server.address)
  t.teardown(() => peer.destroy())
  await peer.authenticate(ground.token)
  return peer
}

/** The messages on the control stream after `accepted`, whole ones only. */
function messages(peer: RawPeer): Message[] {
  const bytes = peer.received(1)
  const found: Message[] = []
  for (let at = 0; bytes.length - at >= 2 && bytes.length - at >= 2 + bytes.readUInt16BE(at); ) {
    const end = at + 2 + bytes.readUInt16BE(at)
    found.push(decodeMessage(bytes.subarray(at + 2, end)))
    at = end
  }
  return found.slice(1)
}

const answered = (peer: RawPeer, count: number) => (frame: RawFrame) =>
  frame.type === Type.goAway || messages(peer).length >= count

for (const { title, ask, code } of rows) {
  test.serial(`a registration with ${title} is refused with ${code}`, async (t) => {
    const peer = await client(t)
    const asked = ask()
    peer.say(asked)
    await peer.until(answered(peer, 1))
    const [said] = messages(peer)
    t.is(said?.type === 'refused' ? said.code : said?.type, code)
    t.deepEqual(attacker()?.proxies, [])
    peer.say(register({ name: 'free-after-all' }))
    await peer.until(answered(peer, 2))
    t.is(messages(peer)[1]?.type, 'registered')
    await peer.destroy()
    await ground.assertUnharmed(t)
  })
}

const attacker = () => ground.server.sessions().find((session) => session.client === 'attacker')

test.serial('the second proxy of the same name is refused, the first one stays', async (t) => {
  const peer = await client(t)
  peer.say(register(), register({ remotePort: 0 }))
  await peer.until(answered(peer, 2))
  t.deepEqual(
    messages(peer).map((said) => (said.type === 'refused' ? said.code : said.type)),
    ['registered', 'name_taken'],
  )
  t.is(attacker()?.proxies.length, 1)
  await peer.destroy()
  await ground.assertUnharmed(t)
})

test.serial(
  'of 1,000 proxies of one client as many stand as the server allows; all are gone with the client',
  async (t) => {
    const peer = await client(t)
    peer.say(...Array.from({ length: 1_000 }, (_, n) => register({ name: `p${n}` })))
    await peer.until(answered(peer, 1_000))
    const said = messages(peer).map((each) => (each.type === 'refused' ? each.code : each.type))
    t.deepEqual(said.slice(0, 10), Array(10).fill('registered'))
    t.deepEqual(said.slice(10), Array(990).fill('limit_exceeded'))
    await peer.destroy()
    await ground.assertUnharmed(t)
  },
)

// type u8, proxy u8, remote port u16, local port u16, name u8 + text, options.
const whole = encodeMessage(register({ options: { bindAddress: '127.0.0.1', idleTimeoutMs: 60_000 } })).subarray(2)
const framed = (body: Uint8Array) => Buffer.concat([Buffer.of(body.length >> 8, body.length & 255), body])

interface BrokenRow {
  readonly title: string
  readonly bytes: Buffer
}

const head = whole.subarray(0, 11)
const broken: readonly BrokenRow[] = [
  { title: 'proxy type 0', bytes: framed(Buffer.concat([Buffer.of(1, 0), whole.subarray(2)])) },
  { title: 'proxy type 3', bytes: framed(Buffer.concat([Buffer.of(1, 3), whole.subarray(2)])) },
  { title: 'an unknown option', bytes: framed(Buffer.concat([head, Buffer.of(99, 0, 0)])) },
  { title: 'an option longer than the message', bytes: framed(Buffer.concat([head, Buffer.of(1, 0xff, 0xff)])) },
  { title: 'a number of three bytes', bytes: framed(Buffer.concat([head, Buffer.of(4, 0, 3, 1, 2, 3)])) },
  { title: 'a number of five bytes', bytes: framed(Buffer.concat([head, Buffer.of(4, 0, 5, 1, 2, 3, 4, 5)])) },
  {
    title: '257 ranges',
    bytes: framed(Buffer.concat([head, ...Array<Buffer>(257).fill(Buffer.from('\x02\0\x09192.0.2.1', 'latin1'))])),
  },
  { title: 'a name that is no UTF-8', bytes: framed(Buffer.concat([whole.subarray(0, 6), Buffer.of(1, 0xff)])) },
]

for (const { title, bytes } of broken) {
  test.serial(`a registration with ${title} ends the link as a violation`, async (t) => {
    const peer = await client(t)
    peer.write(data(1, bytes))
    t.is(await peer.goAway(), LinkEnd.protocol)
    await peer.destroy()
    await ground.assertUnharmed(t)
  })
}

test.serial('a registration cut at any byte ends the link as a violation, or says less', async (t) => {
  for (let length = 1; length < whole.length; length++) {
    const peer = await client(t)
    peer.write(data(1, framed(whole.subarray(0, length))))
    await peer.until((frame) => answered(peer, 1)(frame))
    // Only between two options a shorter message is a whole one.
    const isWhole = length === 11 || length === 23
    t.is(messages(peer)[0]?.type, isWhole ? 'registered' : undefined, `${length} bytes`)
    if (!isWhole) t.is(await peer.goAway(), LinkEnd.protocol, `${length} bytes`)
    await peer.destroy()
  }
  await ground.assertUnharmed(t)
})
