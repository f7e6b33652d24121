import test from 'ava'
import { statusLines } from '../../../src/cli/demo/status.js'
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
  openStreams: 2,
  ...more,
})

test('rates are those since the last line, and begin again with a new link', (t) => {
  let nowMs = 0
  const line = statusLines(() => nowMs)
  const show = (more: Partial<LinkStats>) => line([{ transport: 'quic', stats: stats(more) }])
  t.is(show({}), 'quic:  rtt 81 ms  loss 3.1 %  up -  down -  2 streams')
  nowMs = 2000
  t.is(
    show({ sentBytes: 5_000_000, receivedBytes: 300 }),
    'quic:  rtt 81 ms  loss 3.1 %  up 2.5 MB/s  down 150 B/s  2 streams',
  )
  nowMs = 4000
  t.regex(show({ sentBytes: 10 }), /up - {2}down -/)
})

test('what a transport does not know and a link that is down are said', (t) => {
  const line = statusLines(() => 0)
  const tls = stats({ rttMs: undefined, lossRatio: undefined })
  t.is(
    line([
      { transport: 'tls', stats: tls },
      { transport: 'quic', stats: undefined },
    ]),
    'tls:  rtt -  loss -  up -  down -  2 streams  |  quic: no link',
  )
})
