import test from 'ava'
import { isPetrelError } from '../../src/base/errors.js'
import { makeToken, tokenId } from '../../src/base/token.js'
import { Directory, identityOf, refusal } from '../../src/control/policy.js'
import type { Register } from '../../src/wire/messages.js'

const policy = { ports: { start: 20_000, end: 20_010 }, proxyBindAddress: '0.0.0.0' }
const anyone = { name: 'anyone', token: makeToken() }
const asking = (remotePort: number, bindAddress?: string): Register => ({
  type: 'register',
  proxy: 'tcp',
  name: 'web',
  remotePort,
  localPort: 80,
  options: bindAddress === undefined ? {} : { bindAddress },
})

test('ports are those of the range, and nothing else', (t) => {
  for (const port of [0, 20_000, 20_010]) t.is(refusal(anyone, asking(port), policy), undefined)
  for (const port of [1, 80, 1023, 19_999, 20_011, 65_535]) {
    t.true(isPetrelError(refusal(anyone, asking(port), policy), 'port_refused'), `${port}`)
  }
})

test('privileged ports need to be named for the client', (t) => {
  const wide = { ...policy, ports: { start: 1, end: 65_535 } }
  t.truthy(refusal(anyone, asking(443), wide))
  const named = { ...anyone, allowedPorts: [{ start: 443, end: 443 }] }
  t.is(refusal(named, asking(443), wide), undefined)
  t.regex(refusal(named, asking(20_000), wide)?.message ?? '', /allowed ranges 443 /)
})

test('a client may narrow the side of its visitors and never widen it', (t) => {
  const cases: [operators: string, asked: string, allowed: boolean][] = [
    ['0.0.0.0', '127.0.0.1', true],
    ['0.0.0.0', '192.0.2.1', true],
    ['0.0.0.0', '::', false],
    ['0.0.0.0', '2001:db8::1', false],
    ['::', '0.0.0.0', true],
    ['::', '2001:db8::1', true],
    ['127.0.0.1', '0.0.0.0', false],
    ['127.0.0.1', '127.0.0.2', true],
    ['127.0.0.1', '::1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['192.0.2.1', '192.0.2.1', true],
  ]
  for (const [proxyBindAddress, asked, allowed] of cases) {
    const no = refusal(anyone, asking(20_000, asked), { ...policy, proxyBindAddress })
    t.is(no === undefined, allowed, `${asked} on ${proxyBindAddress}`)
  }
})

test('clients are found by what they show', (t) => {
  const pinned = { name: 'pinned', certificatePin: Buffer.alloc(32, 1) }
  const directory = new Directory([anyone, pinned])
  t.is(directory.byTokenId(tokenId(anyone.token)), anyone)
  t.is(directory.byPin(Buffer.alloc(32, 1)), pinned)
  t.is(directory.byPin(Buffer.alloc(32, 2)), undefined)
  t.is(directory.byTokenId(tokenId(makeToken())), undefined)
  t.is(directory.successor({ ...anyone, allowedPorts: [] }), anyone)
  t.is(directory.successor({ ...anyone, token: makeToken() }), undefined)
})

test('a list that could mean two clients, or none, is refused', (t) => {
  const lists = [
    [anyone, { ...anyone, name: 'other' }],
    [anyone, { name: 'anyone', token: makeToken() }],
    [{ name: 'nothing' }],
    [{ ...anyone, certificatePin: Buffer.alloc(32) }],
    [{ name: 'word', token: 'hunter2' }],
  ]
  for (const list of lists) t.throws(() => new Directory(list))
})

test('the same token in two installations is two identities', (t) => {
  const hello = (fill: number) => ({ clientId: Buffer.alloc(16, fill), dialId: Buffer.alloc(16), token: undefined })
  t.is(identityOf(anyone, hello(1)), identityOf(anyone, { ...hello(1), dialId: Buffer.alloc(16, 9) }))
  t.not(identityOf(anyone, hello(1)), identityOf(anyone, hello(2)))
  t.not(identityOf(anyone, hello(1)), identityOf({ ...anyone, token: makeToken() }, hello(1)))
})
