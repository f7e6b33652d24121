import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { makeToken } from '../../src/base/token.js'
import { openLog } from '../../src/cli/log.js'
import { redact } from '../../src/cli/redact.js'
import { logSchema } from '../../src/config/log-schema.js'
import { testFolder } from '../config/folder.js'

test.serial('a log file is JSON, has times with their zone, and is rotated by size', async (t) => {
  const folder = testFolder(t).path
  const settings = logSchema.parse({
    level: 'debug',
    format: 'json',
    file: join(folder, 'logs', 'petrel.log'),
    rotate_size: '1KiB',
    rotate_every: 'never',
    keep_files: 2,
    time_zone: 'Asia/Kolkata',
  })
  const { log } = await openLog(settings, { write: () => {} })
  const files = () => readdirSync(join(folder, 'logs')).sort()
  for (let line = 0; line < 100; line++) {
    log.debug({ line }, 'x'.repeat(100))
    // Rotation happens between turns of the event loop.
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.true(files().length > 1, files().join())
  // Old ones are removed in the background: the present one and the two that are kept remain.
  while (files().length > 3) await new Promise((resolve) => setTimeout(resolve, 20))
  const [first = ''] = readFileSync(join(folder, 'logs', files()[0] ?? ''), 'utf8').split('\n')
  const record = JSON.parse(first)
  t.is(record.level, 'debug')
  t.regex(record.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+05:30$/)
})

test('the readable form is one line a record, without colours where no terminal is', async (t) => {
  const lines: string[] = []
  const settings = logSchema.parse({ format: 'pretty' })
  const { log, setLevel } = await openLog(settings, { write: (text) => lines.push(text) })
  log.info({ port: 22 }, `open with ${makeToken()}`)
  log.debug('not yet')
  setLevel('debug')
  log.debug('now')
  t.is(lines.length, 2)
  t.regex(lines[0] ?? '', /^\[\d\d:\d\d:\d\d\] INFO: open with ptl_\[redacted\] \{"port":22\}\n$/)
  t.regex(lines[1] ?? '', /DEBUG: now\n$/)
})

test('secrets are taken out of whatever is printed', (t) => {
  const token = makeToken()
  const pin = Buffer.alloc(32).toString('base64url')
  const key = '-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----'
  t.is(redact(`a ${token} b`), 'a ptl_[redacted] b')
  t.is(redact(`petrel://h:1#${token}.${pin}`), 'petrel://h:1#ptl_[redacted]')
  t.is(redact(JSON.stringify({ token, key })), '{"token":"ptl_[redacted]","key":"[private key redacted]"}')
  t.is(redact('nothing here'), 'nothing here')
})
