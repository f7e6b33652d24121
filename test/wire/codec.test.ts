import test from 'ava'
import { isPetrelError } from '../../src/base/errors.js'
import { decodeHello, decodeMessage, encodeHello, encodeMessage } from '../../src/wire/codec.js'
import { Framer } from '../../src/wire/framer.js'
import type { Hello, Message, RegisterOptions } from '../../src/wire/messages.js'

const hello: Hello = {
  clientId: Buffer.alloc(16, 0xc1),
  dialId: Buffer.alloc(16, 0xd1),
  token: { id: Buffer.alloc(8, 0x1d), proof: Buffer.alloc(32, 0xab) },
}

const messages: readonly Message[] = [
  { type: 'register', proxy: 'tcp', name: 'ssh', remotePort: 20022, localPort: 22, options: {} },
  {
    type: 'register',
    proxy: 'udp',
    name: 'game',
    remotePort: 0,
    localPort: 7777,
    options: {
      bindAddress: '127.0.0.1',
      allow: ['10.0.0.0/8', '2001:db8::/32'],
      deny: ['10.1.0.0/16'],
      maxConnections: 70_000,
      idleTimeoutMs: 30_000,
      noDelay: false,
    },
  },
  { type: 'accepted', sessionId: Buffer.alloc(16, 5), proof: Buffer.alloc(32, 6), clientName: 'boat' },
  { type: 'accepted', sessionId: Buffer.alloc(16, 5), proof: Buffer.alloc(0), clientName: 'Zoë' },
  { type: 'registered', name: 'ssh', host: '0.0.0.0', port: 20022 },
  { type: 'refused', name: 'ssh', code: 'port_refused', text: 'port 80 is not in the allowed ranges' },
  { type: 'heartbeat' },
  { type: 'heartbeatReply' },
  { type: 'drain' },
  { type: 'superseded' },
]

const bodyOf = (frame: Buffer) => frame.subarray(2)
const isViolation = (error: unknown) => isPetrelError(error, 'protocol_violation')

test('every message comes back as it was sent', (t) => {
  for (const message of messages) {
    const back = decodeMessage(bodyOf(encodeMessage(message)))
    t.deepEqual(JSON.parse(JSON.stringify(back)), JSON.parse(JSON.stringify(message)), message.type)
  }
})

test('a message cut at any byte, or with a tail, is a protocol violation', (t) => {
  for (const message of messages) {
    const body = bodyOf(encodeMessage(message))
    for (let length = 0; length < body.length; length++) {
      const cut = attempt(() => decodeMessage(body.subarray(0, length)))
      // Cut between two options a registration is whole, with fewer of them: the frame's length guards that.
      if (cut && message.type === 'register') t.is(cut.type, 'register')
      else t.is(cut, undefined, `${message.type} cut to ${length}`)
    }
    t.is(
      attempt(() => decodeMessage(Buffer.concat([body, Buffer.from([0xff])]))),
      undefined,
      `${message.type} and a tail`,
    )
  }
})

test('a hello comes back as it was sent, with a token and without', (t) => {
  for (const sent of [hello, { ...hello, token: undefined }]) {
    const bytes = encodeHello(sent)
    t.is(bytes.subarray(0, 4).toString(), 'GRT1')
    t.deepEqual(decodeHello(bytes.subarray(6)), sent)
    for (let length = 0; length < bytes.length - 6; length++) {
      t.throws(() => decodeHello(bytes.subarray(6, 6 + length)))
    }
  }
})

test('the bytes of a token registration are those of PROTOCOL.md', (t) => {
  const [register] = messages
  t.is(encodeMessage(register as Message).toString('hex'), '000a 01 01 4e36 0016 03 737368'.replaceAll(' ', ''))
})

test('frames come out whole from any cut of the bytes', (t) => {
  const frames = messages.map(encodeMessage)
  const bytes = Buffer.concat([encodeHello(hello), ...frames])
  for (let size = 1; size < 60; size++) {
    const framer = new Framer(16_384, true)
    const out: Buffer[] = []
    for (let at = 0; at < bytes.length; at += size) out.push(...framer.push(bytes.subarray(at, at + size)))
    t.is(out.length, messages.length + 1)
    t.true(framer.isEmpty)
    t.deepEqual(out.slice(1), frames.map(bodyOf))
  }
})

test('wrong magic is refused at its first wrong byte', (t) => {
  for (let at = 0; at < 4; at++) {
    const bytes = Buffer.from('GRT1')
    bytes[at] = 0x20
    const framer = new Framer(16_384, true)
    t.true(isViolation(t.throws(() => [...framer.push(bytes.subarray(0, at + 1))])))
  }
})

test('a frame that is empty or too long is refused before it is held', (t) => {
  t.true(isViolation(t.throws(() => [...new Framer(100, false).push(Buffer.from('0000', 'hex'))])))
  t.true(isViolation(t.throws(() => [...new Framer(100, false).push(Buffer.from('0065', 'hex'))])))
})

test('lists that a registration could not say are refused before it is sent', (t) => {
  const register = { type: 'register', proxy: 'tcp', name: 'web', remotePort: 0, localPort: 80 } as const
  const say = (options: RegisterOptions) => () => encodeMessage({ ...register, options })
  t.throws(say({ allow: [] }), { code: 'config_invalid' }, 'an empty allow list must not become none')
  t.throws(say({ deny: Array<string>(257).fill('192.0.2.1') }), { code: 'config_invalid' })
  t.notThrows(say({ allow: ['192.0.2.1'], deny: [] }))
})

test('unknown types, options and methods are refused by name', (t) => {
  const cases = ['7f', '00', '01 03 0000 0000 01 61', '01 01 0000 0000 01 61 63 0000', '82 02 ff ff 00 0000']
  for (const hex of cases) {
    const error = t.throws(() => decodeMessage(Buffer.from(hex.replaceAll(' ', ''), 'hex')), undefined, hex)
    t.true(isViolation(error), hex)
  }
  t.true(isViolation(t.throws(() => decodeHello(Buffer.alloc(73, 9)))))
})

test('an option that stands twice, is no text or is neither 0 nor 1 is refused', (t) => {
  const register = '01 01 0000 0000 01 61'
  const options = [
    '01 0001 ff',
    '02 0001 ff',
    '06 0001 02',
    '06 0001 00 06 0001 01',
    '04 0004 00000001 04 0004 00000002',
  ]
  for (const option of options) {
    const bytes = Buffer.from(`${register}${option}`.replaceAll(' ', ''), 'hex')
    t.true(isViolation(t.throws(() => decodeMessage(bytes), undefined, option)), option)
  }
})

test('random bytes never throw anything but a protocol violation', (t) => {
  let seed = 7
  const byte = () => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return seed >> 16
  }
  for (let round = 0; round < 20_000; round++) {
    const bytes = Uint8Array.from({ length: byte() % 40 }, byte)
    if (round % 2) bytes[0] = [1, 5, 8, 0x81, 0x82, 0x83][round % 6] as number
    try {
      decodeMessage(bytes)
    } catch (error) {
      if (!isViolation(error)) return t.fail(`${Buffer.from(bytes).toString('hex')}: ${error}`)
    }
  }
  t.pass()
})

function attempt<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    if (!isViolation(error)) throw error
    return undefined
  }
}
