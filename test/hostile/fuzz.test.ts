// A few seconds of random and mutated bytes at the server's port; the gate has a minute of them.

import { overEach } from '../support/over.js'
import { standStrangers } from '../support/strangers.js'

const siege = { rounds: 2, roundMs: 1_500, seed: 1, mostGrownBytes: 64 * 1024 * 1024 }

overEach('three seconds of random and mutated bytes harm nobody', (t, over) => standStrangers(t, over, siege), {
  serial: true,
})
