// A client whose address changes every second for five; the gate has 100 MB of it.

import { hasAddon } from '../../src/transport/native/binding.js'
import { whyNoNamespaces } from '../support/namespaces.js'
import { declare } from '../support/over.js'
import { moveMachine, moveMapping } from '../support/roaming.js'

const rate = { bytes: 5_000_000, bytesASecond: 1_000_000 }
const journey = { service: rate, visitor: rate, everyMs: 1_000, mostStallMs: 5_000 }
const withoutAddon = hasAddon() ? '' : 'the addon is not built'
const needs = { serial: true, timeoutMs: 60_000 }

for (const name of ['kcp', 'quic'] as const) {
  declare(`${name}: a stream outlives the addresses of its client`, (t) => moveMachine(t, name, journey), {
    ...needs,
    unless: withoutAddon || whyNoNamespaces(),
  })
  declare(`${name}: a stream outlives what a NAT remembers`, (t) => moveMapping(t, name, journey), {
    ...needs,
    unless: withoutAddon,
  })
}
