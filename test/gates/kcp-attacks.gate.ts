// Fifty seconds of a transfer over kcp under attack, and as many without.

import { hasAddon } from '../../src/transport/native/binding.js'
import { standObserver } from '../support/kcp-siege.js'
import { declare } from '../support/over.js'

const siege = {
  /** 20 Mbit/s each way. */
  rate: { bytes: 125_000_000, bytesASecond: 2_500_000 },
  strength: { guesses: 2 ** 20, guessesATurn: 300, replays: 10_000 },
}

declare(
  'kcp: forged, guessed, replayed and changed packets stop no transfer, and after it nothing can be done with them',
  (t) => standObserver(t, siege),
  { serial: true, timeoutMs: 300_000, unless: hasAddon() ? '' : 'the addon is not built' },
)
