// Says what paces the TCP of a link: at debug which it is, and once a process, for people, how to allow a better one, and
// that what was told of its rate is not kept there.

import type { Log } from '../base/log.js'
import type { Link } from '../transport/transport.js'

let isSaid = false

export function sayCongestion(
  link: Pick<Link, 'remote' | 'transport' | 'stats'>,
  log: Pick<Log, 'debug' | 'info'>,
): void {
  const congestion = link.stats().congestionControl
  if (congestion === undefined) return
  log.debug({ remote: link.remote, congestion }, `the ${link.transport} link has the congestion control ${congestion}`)
  if (congestion === 'bbr' || isSaid) return
  isSaid = true
  log.info(
    { congestion },
    `links over ${link.transport} use ${congestion}, which is slow where packets are lost; bbr is not: allow it with ` +
      '`modprobe tcp_bbr` and by adding bbr to the sysctl net.ipv4.tcp_allowed_congestion_control',
  )
}

let isUnkeptSaid = false

export function sayUnkept(link: Pick<Link, 'transport' | 'stats'>, log: Pick<Log, 'warn'>): void {
  if (isUnkeptSaid || link.transport !== 'tls') return
  const { bandwidth, bandwidthLimit } = link.stats()
  const told = [bandwidth === undefined ? '' : 'bandwidth', bandwidthLimit === undefined ? '' : 'bandwidth_limit']
  const keys = told.filter((key) => key !== '')
  if (keys.length === 0) return
  isUnkeptSaid = true
  log.warn(
    `links over tls do not heed ${keys.join(' and ')}, because the system paces TCP: quic and kcp do (\`transport\`)`,
  )
}
