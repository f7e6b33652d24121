import test from 'ava'
import { PetrelError } from '../../src/base/errors.js'
import {
  decodeFlowMessage,
  encodeClose,
  encodeData,
  encodeOpened,
  encodePiece,
  type FlowMessage,
  maxPayloadBytes,
} from '../../src/wire/datagrams.js'
import { encodeHeader } from '../../src/wire/headers.js'

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

const known: { name: string; hex: string; message: FlowMessage; encoded?: Buffer }[] = [
  {
    name: 'data',
    hex: '03 00000007 0002 6869',
    message: { type: 'data', flow: 7, payload: bytes('6869') },
    encoded: encodeData(7, bytes('6869')),
  },
  {
    name: 'an empty payload',
    hex: '03 ffffffff 0000',
    message: { type: 'data', flow: 0xffffffff, payload: bytes('') },
    encoded: encodeData(0xffffffff, bytes('')),
  },
  { name: 'close', hex: '04 00000007', message: { type: 'close', flow: 7 }, encoded: encodeClose(7) },
  { name: 'opened', hex: '41 00000007', message: { type: 'opened', flow: 7 }, encoded: encodeOpened(7) },
  {
    name: 'piece',
    hex: '40 00000007 ffff 3f 40 0001 61',
    message: { type: 'piece', flow: 7, number: 0xffff, index: 63, count: 64, part: bytes('61') },
    encoded: encodePiece({ flow: 7, number: 0xffff, index: 63, count: 64, part: bytes('61') }),
  },
  {
    name: 'opening',
    hex: '02 00000007 01 61 04 7f000001 0035',
    message: { type: 'open', header: { streamId: 7, proxy: 'a', visitor: { host: '127.0.0.1', port: 53 } } },
  },
]

for (const { name, hex, message, encoded } of known) {
  test(`a flow message is written and read at any place: ${name}`, (t) => {
    if (encoded !== undefined) t.is(encoded.toString('hex'), hex.replaceAll(' ', ''))
    const whole = Buffer.concat([bytes('ffff'), bytes(hex), bytes('ff')])
    t.deepEqual(decodeFlowMessage(whole, 2), { message, next: 2 + bytes(hex).length })
  })

  test(`a flow message cut at any byte asks for more: ${name}`, (t) => {
    const whole = bytes(hex)
    for (let cut = 0; cut < whole.length; cut++) t.is(decodeFlowMessage(whole.subarray(0, cut), 0), undefined)
  })
}

test('an opening goes in front of data and pieces', (t) => {
  const header = { streamId: 9, proxy: 'dns', visitor: { host: '2001:db8::1', port: 5353 } }
  const opening = encodeHeader(header)
  const piece = { flow: 9, number: 1, index: 0, count: 2, part: bytes('6869') }
  for (const datagram of [encodeData(9, bytes('6869'), opening), encodePiece(piece, opening)]) {
    const first = decodeFlowMessage(datagram, 0)!
    t.deepEqual(first.message, { type: 'open', header })
    const second = decodeFlowMessage(datagram, first.next)!
    t.is(second.next, datagram.length)
    t.is('flow' in second.message && second.message.flow, 9)
  }
})

test('the largest payload fits', (t) => {
  const decoded = decodeFlowMessage(encodeData(1, Buffer.alloc(maxPayloadBytes, 7)), 0)
  t.is(decoded?.message.type === 'data' && decoded.message.payload.length, 65_507)
})

const wrong = [
  ['an unknown type', '00'],
  ['a control message', '01 00000001'],
  ['a payload of 65,508 bytes', '03 00000001 ffe4'],
  ['a payload of 65,535 bytes', '03 00000001 ffff'],
  ['one piece of one', '40 00000001 0000 00 01 0001 61'],
  ['a piece of none', '40 00000001 0000 00 00 0001 61'],
  ['65 pieces', '40 00000001 0000 00 41 0001 61'],
  ['a piece behind the last', '40 00000001 0000 02 02 0001 61'],
  ['a bad opening', '02 00000001 41'],
] as const

for (const [name, hex] of wrong) {
  test(`bytes that are no flow message are refused: ${name}`, (t) => {
    const error = t.throws(() => decodeFlowMessage(bytes(hex), 0), { instanceOf: PetrelError })
    t.is(error?.code, 'protocol_violation')
  })
}
