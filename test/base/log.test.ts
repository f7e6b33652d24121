import test from 'ava'
import { sparingly } from '../../src/base/log.js'

test('what strangers cause is said so many times in a span, and then counted', (t) => {
  const said: [string, object | undefined][] = []
  let nowMs = 5
  const line = sparingly(
    (_level, message, fields) => said.push([message, fields]),
    { lines: 2, everyMs: 100 },
    () => nowMs,
  )
  for (const message of ['a', 'b', 'c', 'd']) line('warn', message)
  line('debug', 'for whoever asks')
  nowMs = 105
  line('warn', 'e', { port: 1 })
  line('info', 'f')
  line('warn', 'g')
  t.deepEqual(said, [
    ['a', {}],
    ['b', {}],
    ['for whoever asks', {}],
    ['e', { port: 1, unsaid: 2 }],
    ['f', {}],
  ])
})
