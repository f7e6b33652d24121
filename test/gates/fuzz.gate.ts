// Two minutes of random and mutated bytes at the server's port, before authentication.

import { overEach } from '../support/over.js'
import { standStrangers } from '../support/strangers.js'

const seed = Number(process.env.PETREL_SEED ?? Date.now() % 100_000)
const siege = { rounds: 8, roundMs: 15_000, seed, mostGrownBytes: 16 * 1024 * 1024 }

overEach('two minutes of random and mutated bytes harms nobody', (t, over) => standStrangers(t, over, siege), {
  serial: true,
  timeoutMs: 300_000,
})
