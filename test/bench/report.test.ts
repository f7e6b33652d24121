import test from 'ava'
import type { Figure, Sample } from '../../scripts/bench/figures.js'
import { doubts, goals, ratio, type Samples, spread } from '../../scripts/bench/report.js'

const rates = (figure: Figure, ...values: number[]): Partial<Record<Figure, Sample[]>> => ({
  [figure]: values.map((rate) => ({ rate })),
})

test('the median of an even number of values lies between the middle two', (t) => {
  t.deepEqual(spread([4, 1, 3, 2]), { min: 1, median: 2.5, max: 4 })
})

test('a ratio is taken within each round, not between the medians', (t) => {
  const samples: Samples = {
    'relay tls': rates('upload 1', 100, 200, 400),
    'petrel tls': rates('upload 1', 90, 100, 300),
  }
  t.deepEqual(ratio(samples, 'petrel tls', 'upload 1', 'rate'), { min: 0.5, median: 0.75, max: 0.9 })
})

test('a run whose direct path is hardly faster than a system is doubted', (t) => {
  const samples: Samples = { direct: rates('download 8', 1000), 'relay tcp': rates('download 8', 900) }
  t.is(doubts(samples).length, 1)
  t.deepEqual(doubts({ ...samples, direct: rates('download 8', 2000) }), [])
})

test('ping-pong is doubted when the machine stalls', (t) => {
  const ping = (p50Us: number, stallP99Ms: number): Partial<Record<Figure, Sample[]>> => ({
    ping: [{ rate: 1, p50Us, p99Us: p50Us, stallP99Ms, stallMaxMs: stallP99Ms }],
  })
  t.deepEqual(doubts({ direct: ping(10, 1), 'relay tls': ping(60, 1) }), [])
  t.regex(doubts({ direct: ping(10, 1), 'relay tls': ping(60, 40) })[0] ?? '', /stalled 40 ms/)
})

test('a goal that is not reached is said to be missed', (t) => {
  const samples: Samples = { 'relay tls': rates('upload 1', 100), 'petrel quic': rates('upload 1', 40) }
  t.deepEqual(goals(samples), ['MISSED  petrel quic  upload, 1 connection: 0.40 of relay tls, goal 0.5'])
})

test('the goals of kcp are set by quic in the same round', (t) => {
  const samples: Samples = {
    'petrel quic': { ...rates('upload 8', 100, 200, 400), ping: [{ rate: 1, p50Us: 100 }] },
    'petrel kcp': { ...rates('upload 8', 70, 100, 220), ping: [{ rate: 1, p50Us: 120 }] },
  }
  t.deepEqual(goals(samples), [
    'MISSED  petrel kcp  upload, 8 connections: 0.55 of petrel quic, goal 0.6',
    'met     petrel kcp  ping-pong p50: 1.20 of petrel quic, goal at most 1.3',
  ])
})
