// After seconds of silence on a busy link quic and kcp move again within a second of the path's return, p100 of ten.

import { hasAddon } from '../../src/transport/native/binding.js'
import { declare } from '../support/over.js'
import { silences } from '../support/silence.js'

const needs = { serial: true, timeoutMs: 300_000, unless: hasAddon() ? '' : 'the addon is not built' }
const mostMs = 1_000

for (const name of ['kcp', 'quic'] as const) {
  for (const rttMs of [50, 200]) {
    declare(
      `${name}: ten times 5 s of silence at ${rttMs} ms: the link moves within a second of the path's return`,
      (t) => silences(t, name, { rttMs, times: 10, onMs: 3_000, offMs: 5_000, mostMs }),
      needs,
    )
  }
  declare(
    `${name}: ten times 5 s on and 2 s off at 50 ms: the link moves within a second of the path's return`,
    (t) => silences(t, name, { rttMs: 50, times: 10, onMs: 5_000, offMs: 2_000, mostMs }),
    needs,
  )
}
