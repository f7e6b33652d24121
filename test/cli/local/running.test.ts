// What `petrel status` makes of a process that answers otherwise than this version would.

import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { ErrorCode } from '../../../src/base/errors.js'
import { limits } from '../../../src/base/limits.js'
import { places } from '../../../src/cli/local/folder.js'
import { readRequest } from '../../../src/cli/local/request.js'
import { askRunning } from '../../../src/cli/local/running.js'
import { statusAnswer } from '../../../src/cli/status/document.js'
import { testFolder } from '../../config/folder.js'

function foldersOf(t: ExecutionContext) {
  const { path } = testFolder(t)
  mkdirSync(join(path, 'run'), { mode: 0o700 })
  return { config: path, state: path }
}

/** Asks a process that answers in this way. */
async function asked(t: ExecutionContext, answer: (socket: Socket) => void) {
  const folders = foldersOf(t)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    answer(socket)
  })
  await once(server.listen(join(folders.state, 'run', `server-${process.pid}.sock`)), 'listening')
  t.teardown(() => server.close())
  return askRunning(folders, { request: 'status', schema: statusAnswer })
}

for (const [title, answer, code, text] of [
  ['another version', (socket) => socket.end('{"status":{"role":"server"}}\n'), 'unsupported', /another version/],
  ['a refusal', (socket) => socket.end('{"error":"not here"}\n'), 'unsupported', /not here/],
  ['null', (socket) => socket.end('null\n'), 'unsupported', /no answer that can be read/],
  ['no JSON', (socket) => socket.end('hello\n'), 'unsupported', /no answer that can be read/],
  ['half an answer', (socket) => socket.end('{"status":'), 'unreachable', /hung up/],
  ['nothing', (socket) => socket.destroy(), 'unreachable', /hung up/],
  ['silence', () => {}, 'timeout', /did not answer within 3000 ms/],
] as [string, (socket: Socket) => void, ErrorCode, RegExp][]) {
  test(`${title} is named, and no answer`, async (t) => {
    const { told, silent } = await asked(t, answer)
    t.deepEqual(told, [])
    t.is(silent[0]?.error.code, code)
    t.regex(silent[0]?.error.message ?? '', new RegExp(`pid ${process.pid}`))
    t.regex(silent[0]?.error.message ?? '', text)
  })
}

test('an answer without end is not read for ever', async (t) => {
  const { silent } = await asked(t, (socket) => {
    const more = () => {
      while (socket.write(Buffer.alloc(1024 * 1024, ' ')));
    }
    socket.on('drain', more)
    more()
  })
  t.true(['limit_exceeded', 'timeout'].includes(silent[0]?.error.code ?? ''))
})

test('a socket without a listener is removed when its process is gone, and only then', async (t) => {
  const folders = foldersOf(t)
  const file = (name: string) => writeFileSync(join(folders.state, 'run', name), '')
  // No process has a number beyond 2^22 on Linux; the first has always one.
  for (const name of ['server-999999999.sock', 'client-1.sock', 'server-x.sock', 'notes']) file(name)
  t.is(places(folders).length, 2)
  t.deepEqual(await askRunning(folders, { request: 'status', schema: statusAnswer }), { told: [], silent: [] })
  t.deepEqual(readdirSync(join(folders.state, 'run')).sort(), ['client-1.sock', 'notes', 'server-x.sock'])
})

test('a request is one of those that are known', (t) => {
  t.is(readRequest('{"request":"status"}'), 'status')
  t.is(readRequest('{"request":"reload","more":1}'), 'reload')
  for (const line of ['', 'null', '1', '[]', '{}', '{"request":"stop"}', '{"request":["status"]}', '{"request":'])
    t.is(readRequest(line), undefined, line)
  t.true(limits.local.requestBytes >= 1024)
})
