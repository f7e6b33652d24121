// Our yamux against Go's hashicorp/yamux in both roles, over plain TCP on loopback. The peer is yamux/main.go, built
// here; without Go the tests are skipped, loudly.

import { execFile, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { LinkEnd } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { initialWindowBytes } from '../../src/transport/yamux/frame.js'
import { YamuxLink } from '../../src/transport/yamux/link.js'
import { accepted, closedStream, collect, echoAll, failure, pattern, rejection } from '../support/stream-ends.js'

const test = anyTest as TestFn<{ peer: string }>
// The sources stand beside this file's source: dist/test/interop -> test/interop.
const sources = fileURLToPath(new URL('../../../test/interop/yamux', import.meta.url))
const largestWindow = 16 * 1024 * 1024
const hasGo = spawnSync('go', ['version']).status === 0

if (!hasGo) {
  console.log('SKIP: interop with hashicorp/yamux, no go on PATH')
  test('interop with hashicorp/yamux is skipped: no go on PATH', (t) => {
    t.log('SKIP: install Go to run it')
    t.pass()
  })
}

if (hasGo) {
  test.before(async (t) => {
    t.timeout(120_000)
    const peer = join(mkdtempSync(join(tmpdir(), 'petrel-yamux-')), 'peer')
    await promisify(execFile)('go', ['build', '-o', peer, '.'], { cwd: sources })
    t.context = { peer }
  })
  for (const role of ['dialer', 'listener'] as const) interop(role)
}

/** A link of ours in this role to a Go peer in the other, and what the peer prints after its port. */
async function linkToGo(t: ExecutionContext<{ peer: string }>, role: 'dialer' | 'listener') {
  const process = spawn(t.context.peer, [role === 'dialer' ? 'server' : 'client'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => process.kill())
  let printed = ''
  process.stdout.on('data', (text: Buffer) => {
    printed += String(text)
  })
  while (!printed.includes('\n')) await once(process.stdout, 'data')
  const socket = connect(Number.parseInt(printed, 10), '127.0.0.1')
  await once(socket, 'connect')
  const link = new YamuxLink({
    carrier: socket,
    role,
    transport: 'tls',
    remote: { host: '127.0.0.1', port: 0 },
    peer: { verified: false, pin: undefined },
    limits: limits.link.authenticated,
    stranger: false,
    unaccepted: 256,
    exportKey: () => new Uint8Array(),
  })
  t.teardown(() => link.close())
  const command = async (line: string) => {
    const stream = await link.open()
    stream.write(`${line}\n`)
    return stream
  }
  const exit = once(process, 'close').then(() => printed)
  return { link, command, exit }
}

function interop(role: 'dialer' | 'listener'): void {
  test(`as ${role}: bytes both ways, and an answer after our half-close`, async (t) => {
    const { command } = await linkToGo(t, role)
    const sent = pattern(5_000_000)
    const echo = await command('echo')
    echo.end(sent)
    t.true((await collect(echo)).equals(sent))
    const sum = await command('sum')
    sum.end(sent)
    t.is(String(await collect(sum)), createHash('sha256').update(sent).digest('hex'))
  })

  test(`as ${role}: 200 streams that Go opens echo and end`, async (t) => {
    const { link, command } = await linkToGo(t, role)
    void echoAll(link)
    const stream = await command('open 200')
    stream.end()
    t.is(String(await collect(stream)), 'ok')
    t.is(link.stats().openStreams, 0)
  })

  test(`as ${role}: our reset is a reset to Go`, async (t) => {
    const { link, command } = await linkToGo(t, role)
    const stream = await command('expect-reset')
    // A reset that overtakes the command takes it away.
    await once(stream, 'readable')
    stream.reset(7)
    t.is(String(await collect(await accepted(link))), 'connection reset')
  })

  test(`as ${role}: Go's reset is a reset to us`, async (t) => {
    const { command } = await linkToGo(t, role)
    const stream = await command('hang-up')
    await collect(stream)
    t.like(await failure(stream), { code: 'stream_reset', resetCode: 0 })
  })

  test(`as ${role}: Go's window of 16 MiB is used whole and not overrun`, async (t) => {
    const { link, command } = await linkToGo(t, role)
    const stream = await command('hold')
    stream.end(Buffer.alloc(largestWindow + 1_000_000))
    while (link.stats().sentBytes < largestWindow) await delay(10)
    await delay(100)
    t.true(link.stats().sentBytes < largestWindow + 100_000)
    const release = await command('release')
    release.end()
    t.is(String(await collect(stream)), String(largestWindow + 1_000_000))
    await closedStream(release.resume())
  })

  test(`as ${role}: Go fills the windows that we grow`, async (t) => {
    const { link, command } = await linkToGo(t, role)
    const bytes = 60_000_000
    const stream = await command(`send ${bytes}`)
    stream.end()
    let at = 0
    let wrong = 0
    for await (const piece of stream as AsyncIterable<Buffer>) {
      for (let i = 0; i < piece.length; i += 97) if (piece[i] !== (at + i) % 251) wrong++
      at += piece.length
    }
    t.is(at, bytes)
    t.is(wrong, 0)
    t.true(link.stats().receivedBytes > bytes + initialWindowBytes / limits.yamux.frameBytes)
  })

  test(`as ${role}: pings are answered both ways`, async (t) => {
    const { link, command } = await linkToGo(t, role)
    const stream = await command('ping')
    stream.end()
    t.is(String(await collect(stream)), '<nil>')
    t.true(link.stats().rttMs! > 0)
  })

  test(`as ${role}: Go's go-away lets streams live and takes no new ones`, async (t) => {
    const { link, command } = await linkToGo(t, role)
    const stream = await command('go-away')
    await once(stream, 'readable')
    t.is(String(stream.read()), '<nil>')
    t.is((await rejection(link.open())).code, 'draining')
    stream.end('still here')
    t.is(String(await collect(stream)), 'still here')
  })

  test(`as ${role}: our go-away ends Go's session`, async (t) => {
    const { link, exit } = await linkToGo(t, role)
    await link.close({ code: LinkEnd.normal, reason: 'done' })
    t.regex(await exit, /ended: (EOF|session shutdown)/)
  })
}
