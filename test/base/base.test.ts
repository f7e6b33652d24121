import test from 'ava'
import { Admission, networkOf } from '../../src/base/admission.js'
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

test('networks are /24 of IPv4 and /64 of IPv6, however they are written', (t) => {
  t.is(networkOf('192.0.2.7'), networkOf('::ffff:192.0.2.200'))
  t.not(networkOf('192.0.2.7'), networkOf('192.0.3.7'))
  t.is(networkOf('2001:db8::1'), networkOf('2001:0db8:0:0:9:9:9:9'))
  t.not(networkOf('2001:db8::1'), networkOf('2001:db8:0:1::1'))
  t.is(networkOf('fe80::1%eth0'), networkOf('fe80::2'))
  t.is(networkOf('/run/socket'), '/run/socket')
})

test('one network cannot take every place at the door', (t) => {
  const admission = new Admission()
  const most = { total: 3, perNetwork: 2 }
  const first = admission.enter('192.0.2.1', most)
  t.truthy(admission.enter('192.0.2.2', most))
  t.is(admission.enter('192.0.2.3', most), undefined)
  t.truthy(admission.enter('198.51.100.1', most))
  t.is(admission.enter('203.0.113.1', most), undefined)
  first?.()
  first?.()
  t.truthy(admission.enter('192.0.2.3', most))
  t.is(admission.enter('203.0.113.1', most), undefined)
})
