import test from 'ava'
import { cost, doubts, goals, type Weighing } from '../../scripts/bench/memory-report.js'

const mib = 1024 * 1024

/** 1,000 links of linkKiB and 10,000 streams of streamKiB, on a process that gains driftMiB by itself. */
function weighing(linkKiB: number, streamKiB: number, driftMiB = 0): Weighing {
  const weight = (links: number, streams: number, residentBytes: number) => ({
    links: 64 + links,
    streams: 64 + streams,
    residentBytes,
    heapBytes: residentBytes / 2,
  })
  const empty = (60 + driftMiB) * mib
  const full = empty + 1000 * linkKiB * 1024
  return {
    before: weight(0, 0, 60 * mib),
    control: weight(0, 0, empty),
    withLinks: weight(1000, 0, full),
    withStreams: weight(1000, 10_000, full + 10_000 * streamKiB * 1024),
  }
}

const both = (...rounds: Weighing[]) => ({ kcp: { dialer: rounds, listener: rounds } })

test('a link and a stream cost what the process gained by them', (t) => {
  t.is(cost(weighing(40, 8), 'link', 'residentBytes'), 40 * 1024)
  t.is(cost(weighing(40, 8), 'stream', 'residentBytes'), 8 * 1024)
})

test('a side that is above a goal is said to miss it', (t) => {
  t.deepEqual(goals(both(weighing(70, 8))), [
    'MISSED  kcp dialer  70.0 KiB a link, goal 64',
    'met     kcp dialer  8.0 KiB a stream, goal 16',
    'MISSED  kcp listener  70.0 KiB a link, goal 64',
    'met     kcp listener  8.0 KiB a stream, goal 16',
  ])
})

test('figures are doubted when the process changes by itself or the rounds differ', (t) => {
  t.deepEqual(doubts(both(weighing(40, 8), weighing(42, 8))), [])
  t.regex(doubts(both(weighing(40, 8, 10)))[0] ?? '', /while nothing happens/)
  t.regex(
    doubts(both(weighing(40, 8), weighing(40, 9), weighing(40, 14)))[0] ?? '',
    /stream: the rounds differ by 56 %/,
  )
})

test('figures are doubted when too little was gained to be told from noise', (t) => {
  t.deepEqual(doubts(both(weighing(3, 8)))[0], 'kcp dialer: 2.9 MiB by its links are too little to tell')
})
