import test from 'ava'
import { sayCongestion, sayUnkept } from '../../src/session/congestion.js'
import type { LinkStats, TransportName } from '../../src/transport/transport.js'

const linkWith = (congestionControl: string | undefined) => ({
  remote: { host: '127.0.0.1', port: 9 },
  transport: 'tls' as const,
  stats: () => ({ congestionControl }) as LinkStats,
})

test('which congestion control a link has is said each time, how to allow bbr once', (t) => {
  const said = { debug: [] as string[], info: [] as string[] }
  const log = {
    debug: (_: object, text: string) => said.debug.push(text),
    info: (_: object, text: string) => said.info.push(text),
  }
  for (const name of [undefined, 'bbr', 'cubic', 'bbr', 'cubic']) sayCongestion(linkWith(name), log as never)
  t.deepEqual(
    said.debug,
    ['bbr', 'cubic', 'bbr', 'cubic'].map((name) => `the tls link has the congestion control ${name}`),
  )
  t.is(said.info.length, 1)
  t.regex(said.info[0] ?? '', /use cubic, .*`modprobe tcp_bbr` .*net\.ipv4\.tcp_allowed_congestion_control/)
})

test('that tls does not heed what it is told of rates is said once, and of nothing else', (t) => {
  const said: string[] = []
  const log = { warn: (text: string) => said.push(text) } as never
  const link = (transport: TransportName, told: Partial<LinkStats>) => ({
    transport,
    stats: () => ({ profile: 'satellite', ...told }) as LinkStats,
  })
  sayUnkept(link('tls', {}), log)
  sayUnkept(link('quic', { bandwidth: 1, bandwidthLimit: 1 }), log)
  sayUnkept(link('kcp', { bandwidthLimit: 1 }), log)
  t.deepEqual(said, [])
  sayUnkept(link('tls', { bandwidth: 1, bandwidthLimit: 1 }), log)
  sayUnkept(link('tls', { bandwidth: 1 }), log)
  t.deepEqual(said, [
    'links over tls do not heed bandwidth and bandwidth_limit, because the system paces TCP: quic and kcp do (`transport`)',
  ])
})
