// An observer on the path of a link over kcp, for two seconds; the gate has him for fifty.

import { hasAddon } from '../../src/transport/native/binding.js'
import { standObserver } from '../support/kcp-siege.js'
import { declare } from '../support/over.js'

const siege = {
  rate: { bytes: 4_000_000, bytesASecond: 2_000_000 },
  strength: { guesses: 10_000, guessesATurn: 100, replays: 1_000 },
}

declare('kcp: an observer who forges, replays and changes packets stops no transfer', (t) => standObserver(t, siege), {
  serial: true,
  timeoutMs: 60_000,
  unless: hasAddon() ? '' : 'the addon is not built',
})
