// The keys of client.yaml. What they mean is written beside them in configs/client.yaml.

import { z } from 'zod'
import { defaults } from '../base/limits.js'
import * as field from './fields.js'
import { logSchema } from './log-schema.js'
import { pathKeys } from './path-schema.js'
import { formatDuration } from './units.js'

const networks = z.array(field.network).meta({ expected: 'a list of addresses and ranges' })

const proxySchema = z.strictObject({
  type: field.choice(['tcp', 'udp']),
  local_host: field.hostName.prefault(defaults.client.service.host),
  local_port: field.port,
  remote_port: field.listenPort.default(0),
  bind_addr: field.ipAddress.optional(),
  // An empty one would let nobody in; whoever writes it means something else.
  allow: networks.min(1).meta({ expected: 'at least one address or range' }).optional(),
  deny: networks.optional(),
  max_connections: field.whole(1, 1_000_000).optional(),
  idle_timeout: field.duration.optional(),
  no_delay: field.flag.default(true),
  proxy_protocol: field.flag.default(false),
  connect_timeout: field.duration.prefault(formatDuration(defaults.client.service.connectTimeoutMs)),
})

export const clientSchema = z.strictObject({
  server: field.address(defaults.port).optional(),
  server_name: field.hostName.optional(),
  server_pin: field.pin.optional(),
  ca_file: field.path.optional(),
  system_roots: field.flag.default(false),
  token: field.token.optional(),
  token_file: field.path.optional(),
  tls_cert_file: field.path.optional(),
  tls_key_file: field.path.optional(),
  transport: field.choice(['auto', 'quic', 'kcp', 'tls']).default(defaults.client.transport),
  kcp_port: field.port.optional(),
  ...pathKeys,
  proxies: z.record(field.proxyName, proxySchema).meta({ expected: 'proxies by name' }).default({}),
  reconnect: z
    .strictObject({
      first: field.duration.prefault(formatDuration(defaults.client.reconnect.firstMs)),
      longest: field.duration.prefault(formatDuration(defaults.client.reconnect.longestMs)),
    })
    .prefault({}),
  log: logSchema.prefault({}),
})

export type ClientKeys = z.output<typeof clientSchema>
