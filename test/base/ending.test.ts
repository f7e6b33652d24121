import test from 'ava'
import { Ending } from '../../src/base/ending.js'

test('tells once all that are there, and at once who comes later', (t) => {
  const ending = new Ending()
  const told: string[] = []
  const gone = (): number => told.push('gone')
  ending.on(() => told.push('first'))
  ending.on(gone)
  ending.off(gone)
  // One that leaves while all are told, as a pump does.
  const leaving = (): void => {
    ending.off(leaving)
    told.push('leaving')
  }
  ending.on(leaving)
  ending.signal.addEventListener('abort', () => told.push('signal'))
  t.deepEqual(told, [])
  ending.end()
  ending.end()
  t.deepEqual(told.sort(), ['first', 'leaving', 'signal'])
  ending.on(() => told.push('late'))
  t.is(told.at(-1), 'late')
})
