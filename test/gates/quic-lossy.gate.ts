// Readers that stop, over a lossy path, ten seeds.

import test, { type TestFn } from 'ava'
import { stoppedReaders } from '../support/stopped-readers.js'

stoppedReaders(test.serial as TestFn, 10)
