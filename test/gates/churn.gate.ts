// Ten thousand visitors in a row leave nothing behind: no descriptor, no stream, no timer, no memory.

import { churn } from '../support/churn.js'
import { overEach } from '../support/over.js'

overEach('10,000 visitors in a row leave nothing behind', (t, over) => churn(t, over, 10_000), { serial: true })
