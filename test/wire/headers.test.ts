import test from 'ava'
import { PetrelError } from '../../src/base/errors.js'
import { decodeHeader, encodeHeader, maxHeaderBytes } from '../../src/wire/headers.js'

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

const known = [
  {
    name: 'IPv4',
    hex: '02 00000001 03 737368 04 c0000201 d431',
    header: { streamId: 1, proxy: 'ssh', visitor: { host: '192.0.2.1', port: 54321 } },
  },
  {
    name: 'IPv6',
    hex: '02 ffffffff 01 61 06 20010db8000000000000000000000001 0016',
    header: { streamId: 0xffffffff, proxy: 'a', visitor: { host: '2001:db8::1', port: 22 } },
  },
  {
    name: 'flows',
    hex: '02 00000000 00 04 00000000 0000',
    header: { streamId: 0, proxy: '', visitor: { host: '0.0.0.0', port: 0 } },
  },
  {
    name: 'longest',
    hex: `02 00000007 40 ${'5a'.repeat(64)} 06 ${'ff'.repeat(16)} ffff`,
    header: {
      streamId: 7,
      proxy: 'Z'.repeat(64),
      visitor: { host: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', port: 65535 },
    },
  },
]

for (const { name, hex, header } of known) {
  test(`a header is written and read: ${name}`, (t) => {
    t.is(encodeHeader(header).toString('hex'), hex.replaceAll(' ', ''))
    const whole = Buffer.concat([bytes(hex), Buffer.from('rest')])
    t.deepEqual(decodeHeader(whole), { header, length: bytes(hex).length })
    t.true(bytes(hex).length <= maxHeaderBytes)
  })

  test(`a header cut at any byte asks for more: ${name}`, (t) => {
    const whole = bytes(hex)
    for (let cut = 0; cut < whole.length; cut++) t.is(decodeHeader(whole.subarray(0, cut)), undefined)
  })
}

const wrong = [
  ['another type', '03'],
  ['type zero', '00 00000001 01 61'],
  ['a name of 65 bytes', '02 00000001 41'],
  ['a name of 255 bytes', '02 00000001 ff'],
  ['a space in the name', '02 00000001 02 6120 04'],
  ['a byte over 127 in the name', '02 00000001 01 e9 04'],
  ['a line end in the name', '02 00000001 01 0a 04'],
  ['address family 0', '02 00000001 01 61 00'],
  ['address family 16', '02 00000001 01 61 10'],
] as const

for (const [name, hex] of wrong) {
  test(`bytes that are no header are refused as soon as that is clear: ${name}`, (t) => {
    const error = t.throws(() => decodeHeader(bytes(hex)), { instanceOf: PetrelError })
    t.is(error?.code, 'protocol_violation')
    t.is(error?.source, 'peer')
  })
}

test('a host that is no address, or a name that is none, is a fault of ours', (t) => {
  const visitor = { host: '192.0.2.1', port: 1 }
  t.is(
    t.throws(() => encodeHeader({ streamId: 1, proxy: 'a', visitor: { host: 'example.com', port: 1 } }), {
      instanceOf: PetrelError,
    })?.code,
    'internal',
  )
  t.is(
    t.throws(() => encodeHeader({ streamId: 1, proxy: 'a b', visitor }), { instanceOf: PetrelError })?.code,
    'internal',
  )
})
