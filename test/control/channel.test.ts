// The control stream against a peer that does not keep its half of it going.

import test from 'ava'
import { isPetrelError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { ControlChannel } from '../../src/control/channel.js'
import { streamPair } from '../support/streams.js'

test('a peer that reads nothing ends the channel: sending does not throw, since timers send, receiving does', async (t) => {
  const [near, far] = streamPair(1)
  far.on('error', () => {})
  const channel = new ControlChannel(near, 'dialer')
  const received = channel.receive()
  const name = 'n'.repeat(255)
  for (let sent = 0; sent <= limits.control.queueBytes + 1024; sent += 255) {
    t.notThrows(() => channel.send({ type: 'refused', name, code: 'internal', text: '' }))
  }
  t.true(isPetrelError(await t.throwsAsync(received), 'limit_exceeded'))
  t.notThrows(() => channel.send({ type: 'heartbeat' }))
  t.notThrows(() => channel.sendLast({ type: 'superseded' }))
})
