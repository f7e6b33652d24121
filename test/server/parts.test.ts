import test from 'ava'
import { isPetrelError } from '../../src/base/errors.js'
import { Admission, networkOf } from '../../src/server/admission.js'
import { candidatePorts } from '../../src/server/ports.js'
import { Registry } from '../../src/server/registry.js'

test('a port that is asked for is the only one tried', (t) => {
  t.deepEqual(candidatePorts(8080, [{ start: 1, end: 65_535 }], 9000), [8080])
})

test('any port: the last one first, then distinct ones of all ranges', (t) => {
  const ranges = [
    { start: 100, end: 119 },
    { start: 300, end: 309 },
  ]
  for (const chance of [0, 0.3, 0.99]) {
    const ports = candidatePorts(0, ranges, 305, () => chance)
    t.is(ports[0], 305)
    t.is(new Set(ports).size, 30)
    t.true(ports.every((port) => (port >= 100 && port <= 119) || (port >= 300 && port <= 309)))
  }
  t.not(candidatePorts(0, ranges, 299, () => 0)[0], 299)
  t.deepEqual(candidatePorts(0, [], undefined), [])
  t.deepEqual(candidatePorts(0, [{ start: 5, end: 5 }], undefined), [5])
  t.is(candidatePorts(0, [{ start: 1024, end: 65_535 }], undefined).length, 50)
})

test('networks are /24 of IPv4 and /64 of IPv6, however they are written', (t) => {
  t.is(networkOf('192.0.2.7'), networkOf('::ffff:192.0.2.200'))
  t.not(networkOf('192.0.2.7'), networkOf('192.0.3.7'))
  t.is(networkOf('2001:db8::1'), networkOf('2001:0db8:0:0:9:9:9:9'))
  t.not(networkOf('2001:db8::1'), networkOf('2001:db8:0:1::1'))
  t.is(networkOf('::1'), '0:0:0:0')
  t.is(networkOf('fe80::1%eth0'), 'fe80:0:0:0')
})

test('one network cannot take every place at the door', (t) => {
  const admission = new Admission()
  const most = { total: 3, perNetwork: 2 }
  const first = admission.enter('192.0.2.1', most)
  t.truthy(admission.enter('192.0.2.2', most))
  t.is(admission.enter('192.0.2.3', most), undefined)
  t.truthy(admission.enter('198.51.100.1', most))
  t.is(admission.enter('203.0.113.1', most), undefined)
  first?.()
  first?.()
  t.truthy(admission.enter('192.0.2.3', most))
  t.is(admission.enter('203.0.113.1', most), undefined)
})

test('names and ports are held once, and free after release', (t) => {
  const registry = new Registry()
  const a = registry.claim('A', 'tcp', 'web')
  a.port(80)
  t.true(
    isPetrelError(
      t.throws(() => registry.claim('B', 'tcp', 'web')),
      'name_taken',
    ),
  )
  const b = registry.claim('B', 'tcp', 'other')
  t.true(
    isPetrelError(
      t.throws(() => b.port(80)),
      'port_taken',
    ),
  )
  const udp = registry.claim('B', 'udp', 'third')
  t.notThrows(() => udp.port(80))
  a.release()
  a.release()
  t.notThrows(() => b.port(80))
  t.notThrows(() => registry.claim('B', 'tcp', 'web'))
  t.is(registry.lastPort('A', 'web'), 80)
})

test('a session that was replaced does not remove its successor', (t) => {
  const registry = new Registry()
  const older = { identity: 'A', dialId: '1' }
  const newer = { identity: 'A', dialId: '2' }
  registry.add(older)
  registry.add(newer)
  registry.remove(older)
  t.is(registry.session('A'), newer)
  registry.remove(newer)
  t.is(registry.session('A'), undefined)
})
