// A minute of random and mutated bytes at the server's port, before authentication.

import { overEach } from '../support/over.js'
import { standStrangers } from '../support/strangers.js'

const seed = Number(process.env.PETREL_SEED ?? Date.now() % 100_000)

overEach('a minute of random and mutated bytes harms nobody', (t, over) => standStrangers(t, over, 30_000, seed), {
  serial: true,
  timeoutMs: 180_000,
})
