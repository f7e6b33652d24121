// 100 MB at 19 Mbit/s, which is time for four moves, while the client's address changes every 5 s, or a NAT forgets it:
// both ways at once, and to a client that only receives.

import { hasAddon } from '../../src/transport/native/binding.js'
import { whyNoNamespaces } from '../support/namespaces.js'
import { declare } from '../support/over.js'
import { moveMachine, moveMapping } from '../support/roaming.js'

const rate = { bytes: 50_000_000, bytesASecond: 2_400_000 }
const nothing = { bytes: 0, bytesASecond: 1 }
const ways = {
  'both ways': { service: rate, visitor: rate },
  'to the client': { service: nothing, visitor: { bytes: 100_000_000, bytesASecond: 4_800_000 } },
}
/** kcp's promise. QUIC's engine asks by its own clock: its streams live, and the figures are told. */
const mostStallMs = { kcp: 1_000, quic: 10_000 }

const withoutAddon = hasAddon() ? '' : 'the addon is not built'
const needs = { serial: true, timeoutMs: 180_000 }

for (const name of ['kcp', 'quic'] as const) {
  for (const [way, rates] of Object.entries(ways)) {
    const journey = { ...rates, mostStallMs: mostStallMs[name] }
    declare(
      `${name}: the client has another address every 5 s during 100 MB ${way}: the stream lives`,
      (t) => moveMachine(t, name, { ...journey, everyMs: 5_000 }),
      { ...needs, unless: withoutAddon || whyNoNamespaces() },
    )
    for (const everyMs of [5_000, 2_000]) {
      declare(
        `${name}: a NAT forgets its mapping every ${everyMs / 1000} s during 100 MB ${way}: the stream lives`,
        (t) => moveMapping(t, name, { ...journey, everyMs }),
        { ...needs, unless: withoutAddon },
      )
    }
  }
}
