import test from 'ava'
import { PetrelError } from '../../src/base/errors.js'
import { Visitors, visitorFilter } from '../../src/proxy/visitors.js'

const filters = [
  { allow: undefined, deny: undefined, host: '192.0.2.1', passes: true },
  { allow: ['192.0.2.0/24'], deny: undefined, host: '192.0.2.255', passes: true },
  { allow: ['192.0.2.0/24'], deny: undefined, host: '192.0.3.0', passes: false },
  { allow: ['192.0.2.0/24'], deny: undefined, host: '::ffff:192.0.2.7', passes: true },
  { allow: ['192.0.2.0/24'], deny: undefined, host: '2001:db8::1', passes: false },
  { allow: ['192.0.2.0/24'], deny: ['192.0.2.7'], host: '192.0.2.7', passes: false },
  { allow: [], deny: undefined, host: '192.0.2.7', passes: false },
  { allow: undefined, deny: ['0.0.0.0/0'], host: '192.0.2.7', passes: false },
  { allow: undefined, deny: ['0.0.0.0/0'], host: '2001:db8::1', passes: true },
  { allow: undefined, deny: ['::/0'], host: '2001:db8::1', passes: false },
  { allow: undefined, deny: ['2001:db8::/32'], host: '2001:db8:ffff::1', passes: false },
  { allow: undefined, deny: ['2001:db8::/32'], host: '2001:db9::1', passes: true },
  { allow: undefined, deny: ['fe80::/10'], host: 'fe80::1%eth0', passes: false },
  { allow: undefined, deny: ['::ffff:192.0.2.0/120'], host: '192.0.2.9', passes: false },
] as const

for (const { allow, deny, host, passes } of filters) {
  test(`allow ${allow ?? 'all'}, deny ${deny ?? 'none'}: ${host} ${passes ? 'passes' : 'is refused'}`, (t) => {
    const lists = { name: 'web', ...(allow && { allow }), ...(deny && { deny }) }
    t.is(visitorFilter(lists)(host), passes)
  })
}

for (const entry of [
  '',
  'example.com',
  '192.0.2.1/33',
  '192.0.2/24',
  '2001:db8::/129',
  '::ffff:192.0.2.1/64',
  '1.2.3.4/',
  '1.2.3.4/x',
  'fe80::1%eth0',
]) {
  test(`"${entry}" in a list is refused with what to write`, (t) => {
    const error = t.throws(() => visitorFilter({ name: 'web', deny: [entry] }), { instanceOf: PetrelError })
    t.is(error?.code, 'config_invalid')
    t.true(error?.message.includes(`proxy web: deny has "${entry}"`))
  })
}

test('the IPv6 addresses of one /64 share one cap', (t) => {
  const spec = { type: 'tcp', name: 'web', remotePort: 0, localPort: 0 } as const
  const visitors = new Visitors(spec, { maxConnections: 10, maxConnectionsPerSource: 1, idleTimeoutMs: 1 })
  t.is(visitors.enter('2001:db8::1'), undefined)
  t.is(visitors.enter('2001:db8::2'), 'sourceFull')
  t.is(visitors.enter('2001:db8:0:1::1'), undefined)
  visitors.leave('2001:db8::1')
  t.is(visitors.enter('2001:db8::2'), undefined)
  t.is(visitors.active, 2)
})
