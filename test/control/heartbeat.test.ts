// When heartbeats leave, in virtual time.

import { mock } from 'node:test'
import test from 'ava'
import { limits } from '../../src/base/limits.js'
import { Heartbeat } from '../../src/control/heartbeat.js'

const { busyMs, idleMs, replyMs } = limits.heartbeat

/** Counts what happens; `pass` lets time go by. */
function watched(isBusy: () => boolean) {
  const seen = { asked: 0, dead: 0 }
  const heartbeat = new Heartbeat(
    isBusy,
    () => seen.asked++,
    () => seen.dead++,
  )
  // Node 20 dates a timer that is made within a tick from the tick's end, so time goes by in small ones.
  const pass = (ms: number): void => {
    for (let passed = 0; passed < ms; passed++) mock.timers.tick(1)
  }
  return { heartbeat, seen, pass }
}

test.beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }))
test.afterEach.always(() => mock.timers.reset())

test.serial('without streams a heartbeat leaves every idle interval', (t) => {
  const { heartbeat, seen, pass } = watched(() => false)
  pass(idleMs - 1)
  t.is(seen.asked, 0)
  pass(1)
  t.is(seen.asked, 1)
  heartbeat.replied()
  pass(idleMs)
  t.is(seen.asked, 2)
  heartbeat.stop()
})

test.serial('the first visitor after a quiet time shortens the interval that is under way', (t) => {
  let busy = false
  const { heartbeat, seen, pass } = watched(() => busy)
  pass(busyMs)
  busy = true
  pass(busyMs)
  t.is(seen.asked, 1)
  heartbeat.replied()
  pass(busyMs)
  t.is(seen.asked, 2)
  heartbeat.stop()
})

test.serial('a reply that is overdue is told once', (t) => {
  const { seen, pass } = watched(() => true)
  pass(busyMs + replyMs - 1)
  t.deepEqual(seen, { asked: 1, dead: 0 })
  pass(1)
  t.deepEqual(seen, { asked: 1, dead: 1 })
  pass(10 * idleMs)
  t.deepEqual(seen, { asked: 1, dead: 1 })
})

test.serial('after stop nothing happens', (t) => {
  const { heartbeat, seen, pass } = watched(() => true)
  pass(busyMs)
  heartbeat.stop()
  pass(10 * idleMs)
  t.deepEqual(seen, { asked: 1, dead: 0 })
})
