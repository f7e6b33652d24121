// What `scripts/bench/lossy` makes of measurements; the measuring itself is in emulator.test.ts.

import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import test from 'ava'
import { parse } from '../../scripts/bench/lossy-options.js'
import { picture } from '../../scripts/bench/lossy-picture.js'
import {
  keep,
  keyOf,
  type Measurement,
  mend,
  parsePoints,
  readMeasurements,
  seedOf,
} from '../../scripts/bench/lossy-points.js'
import { writeReadme } from '../../scripts/bench/lossy-readme.js'
import { circumstances, markdown, median, printTables } from '../../scripts/bench/lossy-report.js'
import { testFolder } from '../config/folder.js'

const others = {
  secondHalf: 1,
  wireRatio: 1.05,
  overflow: 0.01,
  echoP50Ms: 50,
  echoCount: 9,
  silenceMs: 99,
  lateMs: 1,
  controlMs: 1,
}

function one(system: string, lossPercent: number, goodput: number | undefined, round = 1): Measurement {
  const figures = goodput === undefined ? { error: 'refused' } : { figures: { ...others, goodput, emulatorCpu: 0.2 } }
  const run = { round, seconds: 20, way: 'up' as const, note: `what ${system} is`, machine: 'a machine' }
  return { rttMs: 50, lossPercent, system, ...run, date: '2026-11-28T10:00:00.000Z', ...figures }
}

test('points are read from text, and what is none is named', (t) => {
  t.deepEqual(parsePoints('50/0, 200/2.5'), [
    { rttMs: 50, lossPercent: 0 },
    { rttMs: 200, lossPercent: 2.5 },
  ])
  for (const wrong of ['50', '50/100', '0/1', 'x/1', '50/-1', '']) {
    t.throws(() => parsePoints(wrong), { message: /is no point/ }, wrong)
  }
})

test('options that make no sense are refused', (t) => {
  t.is(parse([], ['a'])?.points.length, 15)
  t.is(parse(['--help'], ['a']), undefined)
  t.throws(() => parse(['--systems', 'a,b'], ['a']), { message: /unknown "b"; known: a/ })
  t.throws(() => parse(['--way', 'left'], ['a']), { message: /neither up nor down/ })
  t.is(parse(['--link', '{ "jitter_ms": 20 }'], ['a'])?.link, '{"jitter_ms":20}')
  t.throws(() => parse(['--link', '[1]'], ['a']), { message: /no object/ })
  t.throws(() => parse(['--link', '{'], ['a']), { message: /no object/ })
  t.throws(() => parse(['--rounds', '0'], ['a']), { message: /no whole number/ })
})

test('a results file gives back what was kept, without a line that an interruption cut', (t) => {
  const file = `${testFolder(t).path}/lossy.jsonl`
  t.deepEqual(readMeasurements(file), [])
  const [first, second] = [one('a', 0, 90), one('b', 0, undefined)]
  keep(file, first)
  keep(file, second)
  appendFileSync(file, '{"rttMs":50,"loss')
  t.deepEqual(readMeasurements(file), [first, second])
  mend(file)
  keep(file, first)
  t.deepEqual(readMeasurements(file), [first, second, first])
})

test('the same point, system and round is measured once, and another round again', (t) => {
  t.is(keyOf(one('a', 0, 90)), keyOf(one('a', 0, 10)))
  t.not(keyOf(one('a', 0, 90)), keyOf(one('a', 0, 90, 2)))
})

test('every point and round has losses of its own', (t) => {
  const seeds = [50, 200, 600].flatMap((rttMs) =>
    [0, 1, 5, 10, 20].flatMap((lossPercent) => [1, 2, 3].map((round) => seedOf({ rttMs, lossPercent }, round))),
  )
  t.is(new Set(seeds).size, seeds.length)
})

test('the median of the rounds counts, and what did not work is not a zero', (t) => {
  const all = [one('a', 0, 10, 1), one('a', 0, 90, 2), one('a', 0, 20, 3), one('b', 0, undefined)]
  const goodput = (system: string) => median(all, [system, 50, 0], (figures) => figures.goodput)
  t.is(goodput('a'), 20)
  t.deepEqual(goodput('b'), Number.NaN)
  t.is(goodput('c'), undefined)
})

test('tables have a row for each system that was measured, and say what it is', (t) => {
  const all = [one('a', 0, 95.04), one('a', 5, 1), one('b', 0, 60), one('b', 5, undefined)]
  t.regex(
    printTables(all, ['a', 'b', 'c']),
    /^50 ms, goodput, Mbit\/s\n\s+0 %\s+5 %\n {2}a\s+95\.0\s+1\.0\n {2}b\s+60\.0\s+-$/m,
  )
  const text = markdown(all, ['a', 'b', 'c'])
  t.true(text.includes('| Mbit/s | 50 ms, 0 % | 50 ms, 5 % |'))
  t.true(text.includes('| a | **95.0** | **1.0** |\n| b | 60.0 | - |'))
  t.true(text.includes('- b: what b is'))
  t.is(circumstances(all), '2026-11-28, a machine; 20 s each')
})

test('the README gets table and picture, and keeps the rest', (t) => {
  const folder = testFolder(t)
  const readme = folder.write(
    'README.md',
    'before\n<!-- bench: lossy, begin -->\nold\n<!-- bench: lossy, end -->\nafter\n',
  )
  writeReadme(readme, [one('a', 0, 95), one('petrel b', 5, 90)], ['a', 'petrel b'])
  const text = readFileSync(readme, 'utf8')
  t.regex(
    text,
    /^before\n<!-- bench: lossy, begin -->\n!\[[^\]]+\]\(scripts\/bench\/lossy\.svg\)\n[\s\S]+<!-- bench: lossy, end -->\nafter\n$/,
  )
  t.false(text.includes('old'))
  t.true(existsSync(`${folder.path}/scripts/bench/lossy.svg`))
  t.throws(() => writeReadme(folder.write('other.md', 'x\n'), [one('a', 0, 1)], ['a']), { message: /has no lines/ })
})

test('the picture has a panel for each RTT and a line for each system, no dot outside of it', (t) => {
  const far = [one('a', 0, 95), one('a', 20, 120), one('b', 0, undefined)].map((each) => ({ ...each, rttMs: 600 }))
  const svg = picture([one('a', 0, 95), ...far], ['a', 'b'])
  t.is([...svg.matchAll(/ms round trip/g)].length, 2)
  t.is([...svg.matchAll(/<polyline /g)].length, 4)
  const [, height = '0'] = /viewBox="0 0 \d+ (\d+)"/.exec(svg) ?? []
  const dots = [...svg.matchAll(/cy="([\d.]+)"/g)].map(([, y]) => Number(y))
  t.is(dots.length, 4)
  t.true(
    dots.every((y) => y >= 30 && y < Number(height)),
    `${dots}`,
  )
  t.false(/NaN|undefined/.test(svg))
})
