import test from 'ava'
import { Backoff } from '../../src/base/backoff.js'
import { pause, within } from '../../src/base/deadline.js'
import { isPetrelError } from '../../src/base/errors.js'
import { checkToken, makeToken, tokenId } from '../../src/base/token.js'

test('backoff doubles to its cap, jitters within the upper half and starts again', (t) => {
  const longest = new Backoff(100, 1000, () => 1)
  t.deepEqual(
    [1, 2, 3, 4, 5, 6].map(() => longest.next()),
    [100, 200, 400, 800, 1000, 1000],
  )
  longest.reset()
  t.is(longest.next(), 100)
  t.is(new Backoff(100, 1000, () => 0).next(), 50)
})

test('a token checks, and one with any character changed does not', (t) => {
  const token = makeToken()
  t.notThrows(() => checkToken(token))
  t.is(token.length, 52)
  for (let at = 0; at < token.length; at++) {
    const other = token[at] === 'A' ? 'B' : 'A'
    const wrong = token.slice(0, at) + other + token.slice(at + 1)
    t.true(
      isPetrelError(
        t.throws(() => checkToken(wrong)),
        'token_invalid',
      ),
      `${at}`,
    )
  }
  for (const wrong of ['', 'ptl_', 'secret', `${token}=`, ` ${token}`, token.slice(0, -1)])
    t.throws(() => checkToken(wrong))
  t.not(tokenId(token).toString('hex'), tokenId(makeToken()).toString('hex'))
})

test('a wait ends by its deadline, by abort, or as its promise does', async (t) => {
  const never = new Promise<never>(() => {})
  t.true(isPetrelError(await t.throwsAsync(within(never, 5, 'a wait')), 'timeout'))
  t.true(isPetrelError(await t.throwsAsync(within(never, 1e6, 'a wait', AbortSignal.abort())), 'aborted'))
  t.is(await within(Promise.resolve(7), 1e6, 'a wait'), 7)
  await t.throwsAsync(within(Promise.reject(new Error('mine')), 1e6, 'a wait'), { message: 'mine' })
  await pause(1e6, AbortSignal.timeout(5))
})
