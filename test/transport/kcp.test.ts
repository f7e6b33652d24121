// KCP links: the promises of every transport.

import test, { type TestFn } from 'ava'
import { kcpTransport } from '../../src/transport/kcp.js'
import { hasAddon } from '../../src/transport/native/binding.js'
import { udpPath } from '../support/dark-path.js'
import { compliance } from './compliance.js'

if (hasAddon()) {
  // One after another: the relay shares the event loop, and others' load on it would look like a slow path.
  compliance(test.serial as TestFn, 'kcp', () => ({
    transport: kcpTransport(),
    impatient: { transport: kcpTransport({ times: { idleMs: 1_000, keepAliveMs: 300 } }), path: udpPath },
    beyondLimits: 'wait',
    // A window of 16 MiB, and what waits to be sent and read.
    mostHeldBytes: 18_000_000,
  }))
} else {
  test('kcp is skipped: the native addon is not built', (t) => t.pass())
}
