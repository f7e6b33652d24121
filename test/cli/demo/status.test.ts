import test from 'ava'
import { linkStatus, statusLine } from '../../../src/cli/demo/status.js'
import type { LinkStats } from '../../../src/transport/transport.js'

const stats = (more: Partial<LinkStats>): LinkStats => ({
  rttMs: 81.4,
  minRttMs: 80,
  lossRatio: 0.031,
  deliveryRate: undefined,
  cwndBytes: undefined,
  mtuBytes: undefined,
  sentBytes: 0,
  receivedBytes: 0,
  sentPackets: undefined,
  lostPackets: undefined,
  droppedDatagrams: undefined,
  congestionControl: undefined,
  profile: undefined,
  bandwidth: undefined,
  bandwidthLimit: undefined,
  openStreams: 2,
  ...more,
})

test('rates are those since the last time, and begin again with a new link', (t) => {
  let nowMs = 0
  const status = linkStatus(() => nowMs)
  const show = (more: Partial<LinkStats>) => status([{ transport: 'quic', stats: stats(more) }])[0]
  t.is(show({}), 'quic: rtt 81 ms, loss -, up -, down -, 2 streams')
  nowMs = 2000
  t.is(
    show({ sentBytes: 5_000_000, receivedBytes: 300, sentPackets: 4000 }),
    'quic: rtt 81 ms, loss 3.1 %, up 2.5 MB/s, down 150 B/s, 2 streams',
  )
  nowMs = 4000
  t.regex(show({ sentBytes: 10 }) ?? '', /up -, down -/)
})

test('a link that sends next to nothing shows no loss', (t) => {
  let nowMs = 0
  const status = linkStatus(() => nowMs)
  const show = (sentPackets: number) => {
    nowMs += 1000
    return status([{ transport: 'quic', stats: stats({ sentPackets, lossRatio: 0 }) }])[0] ?? ''
  }
  t.deepEqual(
    [20, 21, 40, 43].map((packets) => / loss ([^,]+)/.exec(show(packets))?.[1]),
    ['-', '-', '0.0 %', '-'],
  )
})

test('what a transport does not know and a link that is down are said', (t) => {
  const tls = stats({ rttMs: undefined, lossRatio: undefined })
  const samples = [
    { transport: 'tls', stats: tls },
    { transport: 'quic', stats: undefined },
  ]
  t.deepEqual(linkStatus(() => 0)(samples), ['tls: rtt -, loss -, up -, down -, 2 streams', 'quic: no link'])
})

test('links share a line where it is wide enough, else they take turns', (t) => {
  t.is(statusLine(['one', 'two'], 9, 0), 'one | two')
  t.deepEqual(
    [0, 1, 2, 3, 4].map((turn) => statusLine(['one', 'two'], 8, turn)),
    ['one', 'one', 'two', 'two', 'one'],
  )
})
