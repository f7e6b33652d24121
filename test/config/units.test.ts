import test from 'ava'
import { formatDuration, formatSize, longestMs, parseDuration, parseRate, parseSize } from '../../src/config/units.js'

test('durations and sizes read as they are written', (t) => {
  for (const [text, ms] of [
    ['1ms', 1],
    ['10s', 10_000],
    ['1.5 s', 1500],
    ['5m', 300_000],
    ['24d', longestMs],
  ] as const) {
    t.is(parseDuration(text), ms, text)
  }
  t.is(parseSize('96MiB'), 96 * 1024 * 1024)
  t.is(parseSize('0.5KiB'), 512)
})

test('what is no duration is refused', (t) => {
  for (const text of ['', '10', 's', '-1s', '1e3s', '0s', '25d', '1.5ms', '10 sec', '１s'])
    t.is(parseDuration(text), undefined, text)
})

test('formatting and reading are each other’s inverse', (t) => {
  for (const ms of [1, 500, 1000, 90_000, 3_600_000, 72 * 3_600_000]) t.is(parseDuration(formatDuration(ms)), ms)
  for (const bytes of [1, 1024, 1536, 96 * 1024 * 1024]) t.is(parseSize(formatSize(bytes)), bytes)
  t.is(formatDuration(72 * 3_600_000), '3d')
})

test('rates are in bits a second, and say so', (t) => {
  for (const [text, bytesPerSecond] of [
    ['64kbit', 8_000],
    ['2.5mbit', 312_500],
    ['50 mbit', 6_250_000],
    ['50Mbit', 6_250_000],
    ['100gbit', 12_500_000_000],
  ] as const) {
    t.is(parseRate(text), bytesPerSecond, text)
  }
  for (const text of ['', '50', '0mbit', '63kbit', '101gbit', '50mbps', '50MiB', '-1mbit', '1e2mbit'])
    t.is(parseRate(text), undefined, text)
})
