import test from 'ava'
import { isPetrelError } from '../../src/base/errors.js'
import { noPlace } from '../../src/server/places.js'
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

test('a client that comes with many install ids leaves the others their places', (t) => {
  const times = (name: string, count: number) => new Array<string>(count).fill(name)
  const has = (name: string, allowed: number, here: readonly string[]) =>
    noPlace(name, { most: 10, allowed, here }) === undefined
  t.true(has('a', 1, times('a', 9)), 'alone on the list: all places are its own')
  t.false(has('a', 1, times('a', 10)))
  t.true(has('a', 3, times('a', 7)))
  t.false(has('a', 3, times('a', 8)), 'two others are still to come')
  t.true(has('b', 3, times('a', 8)))
  t.true(has('a', 3, ['b', 'c', ...times('a', 7)]))
  t.false(has('c', 3, ['b', ...times('a', 9)]), 'full is full')
  t.true(has('a', 100, times('a', 4)), 'a list longer than the server is wide keeps half')
  t.false(has('a', 100, times('a', 5)))
})
