// Ten thousand visitors in a row leave nothing behind: no descriptor, no stream, no timer, no memory.

import { churn, churnTwoProcesses } from '../support/churn.js'
import { overEach } from '../support/over.js'

const serial = { serial: true }

overEach('10,000 visitors in a row leave nothing behind', (t, over) => churn(t, over, 10_000), serial)

overEach(
  '10,000 visitors in a row leave nothing behind in the real processes',
  (t, over) => churnTwoProcesses(t, over, 10_000),
  serial,
)
