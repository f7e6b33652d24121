import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { Gathering } from '../../src/base/gathering.js'

test('what a turn asks for is done once, and not yet in that turn', async (t) => {
  let acted = 0
  const gathering = new Gathering(() => acted++)
  for (let i = 0; i < 100; i++) gathering.soon()
  t.is(acted, 0)
  for (let i = 0; i < 10; i++) await turn()
  t.is(acted, 1)
})

test('who goes on asking is not put off for more than four turns', async (t) => {
  let acted = 0
  const gathering = new Gathering(() => acted++)
  for (let i = 0; i < 40; i++) {
    gathering.soon()
    await turn()
  }
  t.true(acted >= 10, `${acted}`)
})

test('what is asked for while acting is done as well', async (t) => {
  let acted = 0
  const gathering: Gathering = new Gathering(() => {
    if (++acted === 1) gathering.soon()
  })
  gathering.soon()
  for (let i = 0; i < 10; i++) await turn()
  t.is(acted, 2)
})
