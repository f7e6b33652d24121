import { once } from 'node:events'
import test from 'ava'
import { isPetrelError, PetrelError, StreamReset } from '../../src/base/errors.js'
import { readStreamHeader } from '../../src/proxy/headers.js'
import type { Stream } from '../../src/transport/transport.js'
import { encodeHeader } from '../../src/wire/headers.js'
import { streamPair } from '../support/streams.js'

const header = { streamId: 3, proxy: 'ssh', visitor: { host: '192.0.2.1', port: 1234 } }
const encoded = encodeHeader(header)
const deadline = { deadlineMs: 5_000 }

async function rest(stream: Stream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

/** The code with which `stream` is reset. */
async function resetOf(stream: Stream): Promise<number | undefined> {
  const [error] = (await once(stream, 'error')) as [Error]
  return isPetrelError(error) ? error.resetCode : undefined
}

test('a header cut at any byte is read, and what follows it stays in the stream', async (t) => {
  const whole = Buffer.concat([encoded, Buffer.from('first bytes')])
  for (let cut = 0; cut <= whole.length; cut++) {
    const [near, far] = streamPair()
    near.write(whole.subarray(0, cut))
    const reading = readStreamHeader(far, deadline)
    await new Promise((resolve) => setImmediate(resolve))
    near.end(whole.subarray(cut))
    t.deepEqual(await reading, header)
    t.is(await rest(far), 'first bytes', `cut at ${cut}`)
  }
})

test('a header that comes byte by byte is read', async (t) => {
  const [near, far] = streamPair()
  const reading = readStreamHeader(far, deadline)
  for (const byte of encoded) {
    near.write(Buffer.of(byte))
    await new Promise((resolve) => setImmediate(resolve))
  }
  t.deepEqual(await reading, header)
  near.end('more')
  t.is(await rest(far), 'more')
})

test('a header with nothing behind it ends cleanly', async (t) => {
  const [near, far] = streamPair()
  near.end(encoded)
  t.deepEqual(await readStreamHeader(far, deadline), header)
  t.is(await rest(far), '')
})

test('bytes that are no header reset the stream', async (t) => {
  const [near, far] = streamPair()
  const reset = resetOf(near)
  near.write('GET / HTTP/1.1\r\n')
  const error = await t.throwsAsync(readStreamHeader(far, deadline), { instanceOf: PetrelError })
  t.is(error?.code, 'protocol_violation')
  t.is(await reset, StreamReset.protocol)
})

for (let cut = 0; cut < encoded.length; cut++) {
  test(`a stream that ends after ${cut} bytes of its header is reset`, async (t) => {
    const [near, far] = streamPair()
    const reset = resetOf(near)
    near.end(encoded.subarray(0, cut))
    const error = await t.throwsAsync(readStreamHeader(far, deadline), { instanceOf: PetrelError })
    t.is(error?.code, 'protocol_violation')
    t.is(await reset, StreamReset.protocol)
  })
}

test('a header that is late resets the stream', async (t) => {
  const [near, far] = streamPair()
  const reset = resetOf(near)
  near.write(encoded.subarray(0, 8))
  const error = await t.throwsAsync(readStreamHeader(far, { deadlineMs: 20 }), { instanceOf: PetrelError })
  t.is(error?.code, 'timeout')
  t.is(await reset, StreamReset.protocol)
})

test('an aborted wait cancels the stream', async (t) => {
  const [near, far] = streamPair()
  const reset = resetOf(near)
  const abort = new AbortController()
  const reading = readStreamHeader(far, { deadlineMs: 5_000, signal: abort.signal })
  abort.abort()
  t.is((await t.throwsAsync(reading, { instanceOf: PetrelError }))?.code, 'aborted')
  t.is(await reset, StreamReset.cancelled)
})

test('a stream that is reset while its header is awaited gives that error', async (t) => {
  const [near, far] = streamPair()
  near.on('error', () => {})
  const reading = readStreamHeader(far, deadline)
  near.reset(StreamReset.visitorGone)
  const error = await t.throwsAsync(reading, { instanceOf: PetrelError })
  t.is(error?.resetCode, StreamReset.visitorGone)
})
