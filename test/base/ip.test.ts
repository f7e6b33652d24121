import test from 'ava'
import { ipFromBytes, ipToBytes, plainAddress, sourceKey } from '../../src/base/ip.js'

const pairs = [
  ['192.0.2.255', 'c00002ff', '192.0.2.255'],
  ['::', '00000000000000000000000000000000', '::'],
  ['::1', '00000000000000000000000000000001', '::1'],
  ['2001:db8::', '20010db8000000000000000000000000', '2001:db8::'],
  ['2001:0DB8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
  ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008', '1:2:3:4:5:6:7:8'],
  ['1:0:3:4:5:6:7:8', '00010000000300040005000600070008', '1:0:3:4:5:6:7:8'],
  ['1:2:3:4:5:6:7::', '00010002000300040005000600070000', '1:2:3:4:5:6:7:0'],
  ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201', '::ffff:c000:201'],
  ['fe80::1%eth0', 'fe800000000000000000000000000001', 'fe80::1'],
] as const

for (const [text, hex, back] of pairs) {
  test(`${text} goes to bytes and back`, (t) => {
    const bytes = ipToBytes(text)
    t.is(bytes && Buffer.from(bytes).toString('hex'), hex)
    t.is(ipFromBytes(bytes!), back)
  })
}

for (const text of ['', 'localhost', '1.2.3', '1.2.3.4.5', '256.1.1.1', ':::', '1::2::3', '12345::']) {
  test(`"${text}" is no address`, (t) => t.is(ipToBytes(text), undefined))
}

test('an IPv4 visitor of a dual-stack socket is named as IPv4', (t) => {
  t.is(plainAddress('::ffff:192.0.2.1'), '192.0.2.1')
  t.is(plainAddress('192.0.2.1'), '192.0.2.1')
  t.is(plainAddress('fe80::1%eth0'), 'fe80::1')
})

test('one source is an IPv4 address or an IPv6 /64', (t) => {
  t.is(sourceKey('192.0.2.1'), '192.0.2.1')
  t.is(sourceKey('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::')
  t.is(sourceKey('2001:db8:1:2:ffff::'), sourceKey('2001:db8:1:2::1'))
})
