// A few seconds of random and mutated bytes at the server's port; the gate has a minute of them.

import { overEach } from '../support/over.js'
import { standStrangers } from '../support/strangers.js'

overEach('three seconds of random and mutated bytes harm nobody', (t, over) => standStrangers(t, over, 1_500, 1), {
  serial: true,
})
