// The keys of server.yaml. What they mean is written beside them in configs/server.yaml.

import { z } from 'zod'
import { defaults } from '../base/limits.js'
import * as field from './fields.js'
import { logSchema } from './log-schema.js'
import { pathKeys } from './path-schema.js'
import { formatDuration } from './units.js'

const most = 1_000_000
const bounds = defaults.server.limits

const allowedClient = z.strictObject({
  name: field.proxyName,
  token: field.token.optional(),
  token_file: field.path.optional(),
  certificate_pin: field.pin.optional(),
  allowed_ports: z.array(field.portRange).meta({ expected: 'a list of ports and ranges' }).optional(),
})

const limitsSchema = z.strictObject({
  clients: field.whole(1, most).default(bounds.clients),
  proxies_per_client: field.whole(1, most).default(bounds.proxiesPerClient),
  connections_per_proxy: field.whole(1, most).default(bounds.connectionsPerProxy),
  connections_per_source: field.whole(1, most).default(bounds.connectionsPerSource),
  registrations_per_minute: field.whole(1, most).default(bounds.registrationsPerMinute),
  // The profile's when left out.
  handshake_timeout: field.duration.optional(),
  handshakes: field.whole(1, most).default(bounds.handshakes),
  handshakes_per_network: field.whole(1, most).default(bounds.handshakesPerNetwork),
  tcp_idle_timeout: field.duration.prefault(formatDuration(bounds.tcpIdleMs)),
  udp_idle_timeout: field.duration.prefault(formatDuration(bounds.udpIdleMs)),
  // The profile's when left out.
  link_streams: field.whole(1, most).optional(),
  link_credit: field.size.optional(),
  link_datagrams: field.size.optional(),
})

export const serverSchema = z.strictObject({
  bind_addr: field.ipAddress.prefault(defaults.server.bindAddress),
  bind_port: field.listenPort.default(defaults.port),
  kcp_port: field.port.optional(),
  public_host: field.hostName.optional(),
  transports: z
    .array(field.choice(['quic', 'kcp', 'tls']))
    .min(1)
    .meta({ expected: 'a list out of quic, kcp, tls' })
    .optional(),
  ...pathKeys,
  auth_token: field.token.optional(),
  auth_token_file: field.path.optional(),
  allowed_clients: z.array(allowedClient).meta({ expected: 'a list of clients' }).default([]),
  proxy_bind_addr: field.ipAddress.optional(),
  port_range_start: field.port.default(defaults.server.portRange.start),
  port_range_end: field.port.default(defaults.server.portRange.end),
  tls_cert_file: field.path.optional(),
  tls_key_file: field.path.optional(),
  limits: limitsSchema.prefault({}),
  log: logSchema.prefault({}),
})

export type ServerKeys = z.output<typeof serverSchema>
