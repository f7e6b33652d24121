// Readers that stop, over a lossy path: the first test of our credit. The gates try more seeds.

import test, { type TestFn } from 'ava'
import { hasAddon } from '../../src/transport/native/binding.js'
import { stoppedReaders } from '../support/stopped-readers.js'

if (hasAddon()) stoppedReaders(test.serial as TestFn, 1)
else test('stopped readers are skipped: the native addon is not built', (t) => t.pass())
