import test from 'ava'
import type { LinkReport, PetrelStatus } from '../../../src/cli/status/document.js'
import { withRates } from '../../../src/cli/status/rates.js'
import { report } from '../../../src/cli/status/report.js'
import { cut } from '../../../src/cli/status/screen.js'

const link: LinkReport = {
  transport: 'quic',
  remote: '198.51.100.7:4000',
  rttMs: 52.06,
  minRttMs: 48,
  lossRatio: 0.021,
  deliveryRate: 11_200_000,
  cwndBytes: 524_000,
  mtuBytes: 1452,
  sentBytes: 12_400_000,
  receivedBytes: 900,
  openStreams: 1,
  droppedDatagrams: 3,
}

const status = (more: Partial<PetrelStatus>, sent = link.sentBytes): PetrelStatus => ({
  role: 'server',
  version: '1.2.3',
  pid: 7,
  startedAt: '2026-01-02T03:04:05.000Z',
  uptimeMs: 3_600_000 * 50 + 65_000,
  server: '0.0.0.0:9000',
  transports: ['quic', 'tls'],
  sessions: [
    {
      client: 'office',
      since: '2026-01-04T05:04:10.000Z',
      link: { ...link, sentBytes: sent },
      flows: { opened: 9, droppedQueueFull: 4, droppedStale: 0 },
      proxies: [
        {
          name: 'ssh',
          type: 'tcp',
          public: '0.0.0.0:20022',
          service: ':22',
          active: 2,
          counters: { accepted: 9, refusedDenied: 1, endedClean: 5, endedVisitorBroke: 2, receivedBytes: 5 },
        },
      ],
    },
  ],
  ...more,
})

test('a server is shown with its clients, links and proxies', (t) => {
  t.deepEqual(report(status({})), [
    'petrel server 1.2.3, pid 7, up 2 days 2 hours',
    '  listens on 0.0.0.0:9000 (quic, tls), 1 client',
    '  client office, here for 1 minute',
    '  link   quic with 198.51.100.7:4000, 1 stream open',
    '         rtt 52.1 ms, least 48.0 ms, loss 2.1 % of what is sent, mtu 1452',
    '         window 524.0 kB, path 11.2 MB/s',
    '         sent 12.4 MB, received 900 B',
    '         datagrams dropped: 4 queue full, 3 by the link',
    '  proxy  ssh: tcp://0.0.0.0:20022 -> port 22 there',
    '         2 active, 9 accepted; refused: 1 denied; ended: 5 clean, 2 visitor broke',
  ])
})

test('what a link does not know is not shown', (t) => {
  const tls: LinkReport = {
    transport: 'tls',
    remote: 'h:1',
    sentBytes: 0,
    receivedBytes: 0,
    openStreams: 2,
    congestionControl: 'cubic',
    profile: 'small',
    bandwidthLimit: 2_500_000,
  }
  const [session] = status({}).sessions
  const lines = report(status({ sessions: [{ ...session!, link: tls, flows: {}, proxies: [] }] }))
  t.deepEqual(lines.slice(3), [
    '  link   tls with h:1, 2 streams open',
    '         congestion control cubic',
    '         profile small, at most 2.5 MB/s (not kept over tls)',
    '         sent 0 B, received 0 B',
  ])
})

test('a client is shown with what it dials, why it waits and what is refused; nothing steers the terminal', (t) => {
  const client = {
    role: 'client',
    server: 'h:9000',
    state: 'waiting',
    error: 'no\u001b[2J\nway',
    sessions: [],
  } as const
  t.is(report(status({ ...client, sessions: [] }))[1], '  server h:9000, waiting: no\ufffd[2J\ufffdway')
  const [session] = status({}).sessions
  const proxies = [{ name: 'a', type: 'tcp', service: 'x:1', refused: 'port 80', active: 0, counters: {} }]
  const lines = report(status({ ...client, sessions: [{ ...session!, proxies }] }))
  t.is(lines.at(-1), '  proxy  a: x:1, not served: port 80')
})

test('rates are those since the last reading, by the clock of the process that counts', (t) => {
  const rates = withRates()
  const rateOf = (uptimeMs: number, sent: number) => rates([status({ uptimeMs }, sent)])[0]?.sessions[0]?.link.sentRate
  t.is(rateOf(1_000, 500), undefined)
  t.is(rateOf(3_000, 2_500), 1_000)
  t.is(rateOf(3_000, 2_500), undefined)
  t.is(rateOf(4_000, 0), 0)
  t.deepEqual(rates([]), [])
  t.is(rateOf(5_000, 500), undefined)
})

test('a picture never has more lines or columns than the window', (t) => {
  const lines = ['one line', 'two', 'three', 'four']
  t.deepEqual(cut(lines, 80, 5), lines)
  t.deepEqual(cut(lines, 3, 5), ['one', 'two', 'thr', 'fou'])
  t.deepEqual(cut(lines, 80, 4), ['one line', 'two', '… 2 more lines: make the window taller'])
  t.is(cut(lines, 80, 0).length, 2)
})
