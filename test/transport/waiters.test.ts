import test from 'ava'
import { isPetrelError, PetrelError } from '../../src/base/errors.js'
import type { Stream } from '../../src/transport/transport.js'
import { Waiters } from '../../src/transport/waiters.js'

const stream = (name: string) => ({ name }) as unknown as Stream & { name: string }

test('streams go to those who wait in the order in which they came', async (t) => {
  const waiters = new Waiters<Stream & { name: string }>()
  const waits = [waiters.wait(), waiters.wait(), waiters.wait()]
  const there = [stream('first'), stream('second')]
  waiters.serve(() => there.shift())
  t.is(waiters.size, 1)
  t.deepEqual([(await waits[0])?.name, (await waits[1])?.name], ['first', 'second'])
})

test('who gave up meanwhile takes no stream from the next', async (t) => {
  const waiters = new Waiters<Stream & { name: string }>()
  const giveUp = new AbortController()
  const gone = waiters.wait(giveUp.signal)
  const next = waiters.wait()
  giveUp.abort()
  t.true(isPetrelError(await t.throwsAsync(gone), 'aborted'))
  t.is(waiters.size, 1)
  const there = [stream('only')]
  waiters.serve(() => there.shift())
  t.is((await next).name, 'only')
})

test('the end of a link fails everybody who waits', async (t) => {
  const waiters = new Waiters<Stream>()
  const waits = [waiters.wait(), waiters.wait()]
  waiters.fail(new PetrelError('link_lost', 'network', 'gone'))
  for (const wait of waits) t.true(isPetrelError(await t.throwsAsync(wait), 'link_lost'))
  t.is(waiters.size, 0)
})
