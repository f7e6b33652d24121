import test from 'ava'
import { InFlight } from '../../src/proxy/in-flight.js'

test('a path that always takes as long is never late', (t) => {
  const inFlight = new InFlight(10)
  for (let now = 0; now < 10_000; now += 50) {
    inFlight.wrote(100, now)
    // Taken 100 ms after it was written.
    const taken = 10 + 100 * Math.max(0, Math.floor(now / 50) - 1)
    t.is(inFlight.lateMs(taken, now), 0)
  }
})

test('bytes that wait longer than the best are late by the difference', (t) => {
  const inFlight = new InFlight(0)
  inFlight.wrote(100, 0)
  t.is(inFlight.lateMs(100, 40), 0)
  inFlight.wrote(100, 100)
  inFlight.wrote(100, 200)
  t.is(inFlight.lateMs(100, 140), 0)
  t.is(inFlight.lateMs(100, 240), 100)
  t.is(inFlight.lateMs(200, 240), 0)
  t.is(inFlight.lateMs(200, 300), 60)
  t.is(inFlight.lateMs(300, 900), 0)
})

test('before the first acknowledgement a second passes before anything is late', (t) => {
  const inFlight = new InFlight(0)
  inFlight.wrote(100, 0)
  t.is(inFlight.lateMs(0, 1_000), 0)
  t.is(inFlight.lateMs(0, 1_300), 300)
})
