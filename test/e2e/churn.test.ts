// A thousand visitors in a row leave nothing behind; ten thousand are in test/gates/churn.gate.ts.

import { churn } from '../support/churn.js'
import { overEach } from '../support/over.js'

overEach('1,000 visitors in a row leave nothing behind', (t, over) => churn(t, over, 1_000), { serial: true })
