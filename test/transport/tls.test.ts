// TLS links: the promises of every transport.

import test from 'ava'
import { tlsTransport } from '../../src/transport/tls.js'
import { tcpPath } from '../support/dark-path.js'
import { compliance } from './compliance.js'

compliance(test, 'tls', () => ({
  transport: tlsTransport(),
  impatient: { transport: tlsTransport({ times: { keepAliveMs: 300, silenceMs: 3_000 } }), path: tcpPath },
  beyondLimits: 'reset',
  mostHeldBytes: 3_000_000,
}))
