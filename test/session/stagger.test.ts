// Attempts that start one after the other: order and times, with a clock that the test turns.

import { mock } from 'node:test'
import test from 'ava'
import { type Attempt, firstOf, type Rules, type Verdict } from '../../src/session/stagger.js'

interface Tried {
  readonly at: number
  readonly signal: AbortSignal
  succeed(value: string): void
  fail(why: string): void
}

test.beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 0 }))
test.afterEach.always(() => mock.timers.reset())

/** One attempt for each wait; what was started, in its order. */
function field(waits: readonly number[], again?: Rules<string>['again']) {
  const started: Tried[] = []
  const late: string[] = []
  const attempts = waits.map(
    (afterMs): Attempt<string> => ({
      afterMs,
      start: (signal) =>
        new Promise((succeed, reject) => {
          started.push({ at: Date.now(), signal, succeed, fail: (why) => reject(new Error(why)) })
        }),
    }),
  )
  const stop = new AbortController()
  const verdicts: Partial<Record<string, Verdict>> = { fatal: 'end', taken: 'wait', lacking: 'never' }
  const judge = (error: unknown) => verdicts[(error as Error).message] ?? 'next'
  const rules = { signal: stop.signal, judge, tooLate: (value: string) => void late.push(value) }
  const more = again === undefined ? {} : { again }
  return {
    started,
    late,
    stop,
    first: firstOf(attempts, { ...rules, ...more }),
    times: () => started.map(({ at }) => at),
  }
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

test.serial('each starts its time after the one before, while none has an outcome', (t) => {
  const { times } = field([999, 250, 500])
  for (const ms of [249, 1, 499, 1, 10_000]) mock.timers.tick(ms)
  t.deepEqual(times(), [0, 250, 750])
})

test.serial('a failure starts the next at once, and the one after that its time later', async (t) => {
  const { started, times } = field([0, 250, 500])
  mock.timers.tick(20)
  started[0]?.fail('no')
  await settle()
  t.deepEqual(times(), [0, 20])
  mock.timers.tick(499)
  t.deepEqual(times(), [0, 20])
  mock.timers.tick(1)
  t.deepEqual(times(), [0, 20, 520])
})

test.serial(
  'the first success aborts those under way, starts no more, and a late success is handed over',
  async (t) => {
    const { started, first, late } = field([0, 250, 500])
    mock.timers.tick(250)
    started[1]?.succeed('second')
    t.is(await first, 'second')
    t.true(started[0]?.signal.aborted)
    mock.timers.tick(10_000)
    t.is(started.length, 2)
    started[0]?.succeed('first')
    await settle()
    t.deepEqual(late, ['first'])
  },
)

test.serial('a failure while another is under way starts the next at once, too', async (t) => {
  const { started, times } = field([0, 250, 500])
  mock.timers.tick(250)
  started[0]?.fail('no')
  await settle()
  t.deepEqual(times(), [0, 250, 250])
})

test.serial('an error that ends all is the outcome at once', async (t) => {
  const { started, first } = field([0, 250, 500])
  mock.timers.tick(250)
  started[1]?.fail('fatal')
  await t.throwsAsync(first, { message: 'fatal' })
  t.true(started[0]?.signal.aborted)
  mock.timers.tick(10_000)
  t.is(started.length, 2)
})

test.serial('an error that says to wait starts no more, and the outcome is that of those under way', async (t) => {
  for (const outcome of ['won', 'lost'] as const) {
    const { started, first } = field([0, 250, 500])
    mock.timers.tick(250)
    started[1]?.fail('taken')
    await settle()
    mock.timers.tick(10_000)
    t.is(started.length, 2)
    if (outcome === 'won') started[0]?.succeed('won')
    else started[0]?.fail('lost')
    if (outcome === 'won') t.is(await first, 'won')
    else await t.throwsAsync(first, { message: 'lost' })
  }
})

test.serial('one that failed is tried again while another is silent, up to a time', async (t) => {
  const { started, times, first } = field([0, 500], { afterMs: 1_000, untilMs: 3_000 })
  mock.timers.tick(500)
  for (let tries = 0; tries < 5; tries++) {
    started.at(-1)?.fail('no')
    await settle()
    mock.timers.tick(1_000)
  }
  t.deepEqual(times(), [0, 500, 1_500, 2_500, 3_500])
  started[0]?.fail('at last')
  await t.throwsAsync(first, { message: 'at last' })
})

test.serial(
  'none is tried again that never can, nor when the outcome is with those under way, nor when all failed',
  async (t) => {
    for (const why of ['lacking', 'taken'] as const) {
      const { started, times } = field([0, 500], { afterMs: 1_000, untilMs: 9_000 })
      mock.timers.tick(500)
      started[1]?.fail(why)
      await settle()
      mock.timers.tick(5_000)
      t.is(times().length, 2, why)
    }
    const { started, times, first } = field([0, 500, 500], { afterMs: 1_000, untilMs: 9_000 })
    mock.timers.tick(500)
    mock.timers.tick(500)
    started[0]?.fail('no')
    await settle()
    started[1]?.fail('taken')
    await settle()
    mock.timers.tick(5_000)
    t.is(times().length, 3)
    started[2]?.fail('no')
    await t.throwsAsync(first, { message: 'no' })
    mock.timers.tick(5_000)
    t.is(times().length, 3)
  },
)

test.serial('when all have failed the last error is the outcome', async (t) => {
  const { started, first, times } = field([0, 250])
  started[0]?.fail('one')
  await settle()
  started[1]?.fail('two')
  await t.throwsAsync(first, { message: 'two' })
  t.deepEqual(times(), [0, 0])
})

test.serial('a signal ends it with its reason: before the start, or under way', async (t) => {
  const { started, first, stop, times } = field([0, 250])
  stop.abort(new Error('enough'))
  await t.throwsAsync(first, { message: 'enough' })
  t.true(started[0]?.signal.aborted)
  mock.timers.tick(10_000)
  t.deepEqual(times(), [0])
  const early = { signal: stop.signal, judge: () => 'next' as const, tooLate: () => {} }
  await t.throwsAsync(firstOf([{ afterMs: 0, start: async () => t.fail() }], early), { message: 'enough' })
})
