// The promises of src/transport/transport.ts as tests, for every transport. A new transport calls compliance() with a
// Subject. Longer than most files: one list of one-behaviour tests.

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { ExecutionContext, TestFn } from 'ava'
import { LinkEnd, StreamReset } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import type { Address, DialOptions, Link, Listener, Stream, Transport } from '../../src/transport/transport.js'
import { makeAuthority, makeCredentials, type TestCredentials } from '../support/credentials.js'
import type { DarkPath } from '../support/dark-path.js'
import {
  accepted,
  closedStream,
  collect,
  echoAll,
  failure,
  pattern,
  rejection,
  seeded,
} from '../support/stream-ends.js'

export interface Subject {
  readonly transport: Transport
  /** The same, but a silent peer is given up within a few seconds; and a path to it that can go dark. */
  readonly impatient: { readonly transport: Transport; path(to: Address): Promise<DarkPath> }
  /** A stream beyond the peer's limits is reset, or its opening waits. */
  readonly beyondLimits: 'reset' | 'wait'
  /** What may wait for a reader that never reads, in all buffers of both ends. */
  readonly mostHeldBytes: number
}

interface Pair {
  readonly listener: Listener
  /** The dialler's end and the listener's. */
  readonly near: Link
  readonly far: Link
  readonly credentials: TestCredentials
}

const anyPort: Address = { host: '127.0.0.1', port: 0 }
const shortMs = 200
/** How long a wait that should not end is watched. */
const watchMs = 150
const closeDeadlineMs = limits.link.closeMs * 5

async function firstLink(listener: Listener): Promise<Link> {
  const { value, done } = await listener[Symbol.asyncIterator]().next()
  if (done === true) throw new Error('the listener ended before a link came')
  return value
}

const within = async <T>(promise: Promise<T>, ms: number, what: string): Promise<T> => {
  const stop = new AbortController()
  const late = delay(ms, undefined, { signal: stop.signal }).then(() => {
    throw new Error(`${what} took more than ${ms} ms`)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    stop.abort()
    late.catch(() => {})
  }
}

export function compliance(test: TestFn, name: string, make: () => Subject | Promise<Subject>): void {
  const credentialsOnce = makeCredentials()
  const subjectOnce = (async () => make())()

  const says = (behaviour: string, body: (t: ExecutionContext, subject: Subject) => Promise<void>) =>
    test(`${name}: ${behaviour}`, async (t) => body(t, await subjectOnce))

  /** Two ends of one link, the listener's limits raised unless `stranger`. */
  async function pair(
    t: ExecutionContext,
    { transport, path, stranger, dial }: PairOptions & { transport: Transport },
  ): Promise<Pair> {
    const credentials = await credentialsOnce
    const listener = await transport.listen(anyPort, { credentials })
    t.teardown(() => listener.close())
    const at = path === undefined ? listener.address : (await path(listener.address)).address
    const accepting = firstLink(listener)
    const near = await transport.dial(at, { trust: { kind: 'pin', pin: credentials.pin }, ...dial })
    const far = await accepting
    t.teardown(() => Promise.all([near.close(), far.close()]))
    if (stranger !== true) far.raiseLimits(limits.link.authenticated)
    return { listener, near, far, credentials }
  }
  interface PairOptions {
    readonly path?: (to: Address) => Promise<DarkPath>
    readonly stranger?: boolean
    readonly dial?: Partial<DialOptions>
  }

  /** One stream, both of its ends; a first byte has gone across. */
  async function streamPair(from: Link, to: Link): Promise<[Stream, Stream]> {
    const mine = await from.open()
    mine.write('!')
    const theirs = await accepted(to)
    await once(theirs, 'readable')
    theirs.read()
    return [mine, theirs]
  }

  // ---- bytes ----

  for (const bytes of [0, 1, 65_537, 5_000_000]) {
    says(`an echo of ${bytes} bytes comes back whole`, async (t, subject) => {
      const { near, far } = await pair(t, subject)
      void echoAll(far)
      const stream = await near.open()
      const sent = pattern(bytes)
      stream.end(sent)
      t.true((await collect(stream)).equals(sent))
    })
  }

  says('the listener opens streams as the dialler does', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    void echoAll(near)
    const stream = await far.open()
    const sent = pattern(100_000)
    stream.end(sent)
    t.true((await collect(stream)).equals(sent))
  })

  says('an answer arrives after a half-close', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    const stream = await near.open()
    stream.end('question')
    const theirs = await accepted(far)
    t.is(String(await collect(theirs)), 'question')
    theirs.end('answer')
    t.is(String(await collect(stream)), 'answer')
  })

  says('writes of every size arrive in order', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    const seed = 7
    t.log(`seed ${seed}`)
    const random = seeded(seed)
    void echoAll(far)
    const stream = await near.open()
    const sent = pattern(2_000_000, seed)
    const receiving = collect(stream)
    for (let at = 0; at < sent.length; ) {
      const size = Math.ceil(random() ** 6 * 200_000)
      if (!stream.write(sent.subarray(at, at + size))) await once(stream, 'drain')
      at += size
    }
    stream.end()
    t.true((await receiving).equals(sent))
  })

  says('both sides write 1 MiB before they read', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    const [mine, theirs] = await streamPair(near, far)
    const [one, other] = [pattern(1 << 20, 1), pattern(1 << 20, 2)]
    mine.end(one)
    theirs.end(other)
    await delay(watchMs)
    const [got, gotOther] = await Promise.all([collect(mine), collect(theirs)])
    t.true(got.equals(other))
    t.true(gotOther.equals(one))
  })

  says('1,000 streams at once all echo', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    void echoAll(far)
    const echo = async (number: number) => {
      const stream = await near.open()
      const sent = pattern(3000, number)
      stream.write(sent.subarray(0, 1000))
      await once(stream, 'readable')
      stream.end(sent.subarray(1000))
      return (await collect(stream)).equals(sent)
    }
    const results = await Promise.all(Array.from({ length: 1000 }, (_, number) => echo(number)))
    t.true(results.every((equal) => equal))
  })

  says('10,000 streams opened and closed leave nothing', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    void echoAll(far)
    const loop = async () => {
      for (let round = 0; round < 200; round++) {
        const stream = await near.open()
        stream.end('x')
        t.is((await collect(stream)).length, 1)
      }
    }
    t.plan(10_003)
    await Promise.all(Array.from({ length: 50 }, loop))
    const [last] = await streamPair(far, near)
    t.true(near.stats().openStreams <= 2)
    t.true(far.stats().openStreams <= 2)
    last.destroy()
    await closedStream(last)
    t.pass()
  })

  // ---- resets ----

  for (const direction of ['dialler', 'listener'] as const) {
    says(`a reset by the ${direction} reaches the other side with its code`, async (t, subject) => {
      const { near, far } = await pair(t, subject)
      const [mine, theirs] = await streamPair(near, far)
      const [resetting, other] = direction === 'dialler' ? [mine, theirs] : [theirs, mine]
      const failing = failure(other)
      resetting.reset(0xfeed_beef)
      t.like(await failing, { code: 'stream_reset', source: 'peer', resetCode: 0xfeed_beef })
      await closedStream(resetting)
    })
  }

  says('a reset reaches a writer that waits for credit', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    const [mine, theirs] = await streamPair(near, far)
    mine.write(Buffer.alloc(subject.mostHeldBytes + 1_000_000))
    const failing = failure(mine)
    await delay(watchMs)
    theirs.reset(StreamReset.serviceGone)
    t.like(await failing, { code: 'stream_reset', resetCode: StreamReset.serviceGone })
  })

  says('destroy before the end is a reset with code 1', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    const [mine, theirs] = await streamPair(near, far)
    const failing = failure(theirs)
    mine.destroy()
    t.like(await failing, { code: 'stream_reset', resetCode: StreamReset.cancelled })
  })

  says('destroy after one FIN is a reset, not a clean end', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    const [mine, theirs] = await streamPair(near, far)
    theirs.end('half')
    t.is(String(await collect(mine)), 'half')
    const failing = failure(theirs)
    mine.destroy()
    t.like(await failing, { code: 'stream_reset', resetCode: StreamReset.cancelled })
  })

  says('a reset ends no other stream', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    const [mine] = await streamPair(near, far)
    const [other, otherTheirs] = await streamPair(near, far)
    mine.reset(2)
    other.end('still here')
    t.is(String(await collect(otherTheirs)), 'still here')
  })

  // ---- credit ----

  says('a slow reader stops only its own stream', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    const [slow, slowTheirs] = await streamPair(near, far)
    const [quick, quickTheirs] = await streamPair(near, far)
    const sent = pattern(subject.mostHeldBytes + 4_000_000)
    const half = 1_000_000
    let written = 0
    slow.write(sent.subarray(0, half))
    const writing = (async () => {
      for (written = half; written < sent.length; written += 65_536) {
        if (!slow.write(sent.subarray(written, written + 65_536))) await once(slow, 'drain')
      }
      slow.end()
    })()
    const other = pattern(8_000_000, 2)
    quick.end(other)
    t.true((await collect(quickTheirs)).equals(other))
    await delay(watchMs)
    t.true(written <= subject.mostHeldBytes, `${written} bytes went to a reader that reads nothing`)
    t.true(slow.acknowledged <= 65_536)
    t.true((await collect(slowTheirs)).equals(sent))
    await writing
  })

  says('acknowledged grows to what was read and never beyond', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    const mine = await near.open()
    mine.write(pattern(100_000))
    const theirs = await accepted(far)
    await delay(watchMs)
    t.is(mine.acknowledged, 0)
    let taken = 0
    theirs.on('data', (piece: Buffer) => {
      taken += piece.length
    })
    while (mine.acknowledged < 100_000) {
      t.true(mine.acknowledged <= taken)
      await delay(10)
    }
    theirs.pause()
    mine.write(pattern(50_000))
    await delay(watchMs * 2)
    t.true(mine.acknowledged <= taken)
    theirs.resume()
    mine.end()
    await once(theirs, 'end')
    while (mine.acknowledged < 150_000) await delay(10)
    t.is(mine.acknowledged, 150_000)
  })

  // ---- limits ----

  says('a stranger has few streams until raiseLimits', async (t, subject) => {
    const { near, far } = await pair(t, { ...subject, stranger: true })
    for (let count = 0; count < limits.link.stranger.streams; count++) await streamPair(near, far)
    if (subject.beyondLimits === 'reset') {
      const refused = await near.open()
      refused.write('?')
      t.like(await failure(refused), { code: 'stream_reset', resetCode: StreamReset.limit })
      far.raiseLimits(limits.link.authenticated)
    } else {
      const waiting = near.open().then((stream) => stream.destroy())
      t.is(await Promise.race([waiting, delay(shortMs, 'waits')]), 'waits')
      far.raiseLimits(limits.link.authenticated)
      await waiting
      await accepted(far).then((stream) => stream.destroy())
    }
    const [mine, theirs] = await streamPair(near, far)
    mine.end('welcome')
    t.is(String(await collect(theirs)), 'welcome')
  })

  says('a stranger whose bytes nobody reads costs little', async (t, subject) => {
    const { near, far } = await pair(t, { ...subject, stranger: true })
    const mine = await near.open()
    mine.on('error', () => {})
    mine.write(Buffer.alloc(8_000_000))
    await accepted(far)
    await delay(shortMs)
    const { receivedBytes } = far.stats()
    t.true(receivedBytes <= limits.link.stranger.creditBytes * 3, `${receivedBytes} bytes were taken in`)
  })

  says('open waits while the peer takes no more streams', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    const most = 2 * limits.link.authenticated.streams
    const opened: Stream[] = []
    let waiting: Promise<Stream> | undefined
    while (waiting === undefined && opened.length < most) {
      const opening = near.open()
      const stream = await Promise.race([opening, delay(shortMs)])
      if (stream === undefined) waiting = opening
      else opened.push(stream)
    }
    t.true(opened.length >= 256 && opened.length < most, `${opened.length} streams went without waiting`)
    const givenUp = new AbortController()
    const givenUpOpen = rejection(near.open(givenUp.signal))
    givenUp.abort()
    t.like(await givenUpOpen, { code: 'aborted' })
    void echoAll(far)
    for (const stream of opened) stream.end()
    await Promise.all(opened.map(collect))
    const late = await waiting
    late!.end('late')
    t.is(String(await collect(late!)), 'late')
  })

  // ---- the link's end ----

  says('close during everything settles both ends', async (t, subject) => {
    const { near, far, listener } = await pair(t, subject)
    const serving = echoAll(far)
    const streams = await Promise.all(Array.from({ length: 20 }, () => near.open()))
    const failing = Promise.all(streams.map(failure))
    for (const stream of streams) stream.write(pattern(500_000))
    const iterating = near[Symbol.asyncIterator]().next()
    await once(streams[0]!, 'data')
    const asked = near.open()
    await within(near.close({ code: LinkEnd.superseded, reason: 'newer link' }), closeDeadlineMs, 'close')
    t.true((await failing).every(({ code }) => code === 'link_lost'))
    t.true((await iterating).done)
    t.like(await near.closed, { by: 'us', code: LinkEnd.superseded })
    t.like(await within(far.closed, closeDeadlineMs, 'the far end'), { by: 'peer', code: LinkEnd.superseded })
    await serving
    await asked.then(closedStream)
    t.like(await rejection(near.open()), { code: 'closed' })
    t.like(await rejection(far.open()), { code: 'link_lost' })
    const next = listener[Symbol.asyncIterator]().next()
    await listener.close()
    t.true((await next).done)
  })

  says('close is idempotent and needs no streams', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    await within(Promise.all([near.close(), near.close(), far.close()]), closeDeadlineMs, 'close')
    await near.close()
    t.is((await near.closed).code, LinkEnd.normal)
  })

  says('a silent peer is noticed and is an error on every stream', async (t, { impatient }) => {
    let path: DarkPath | undefined
    const makePath = async (to: Address) => {
      path = await impatient.path(to)
      t.teardown(() => path?.cut())
      return path
    }
    const { near, far } = await pair(t, { transport: impatient.transport, path: makePath })
    const [mine, theirs] = await streamPair(near, far)
    const failing = Promise.all([failure(mine), failure(theirs)])
    path!.goDark()
    t.is((await within(near.closed, 15_000, 'noticing')).by, 'network')
    t.is((await within(far.closed, 15_000, 'noticing')).by, 'network')
    t.true((await failing).every(({ code }) => code === 'link_lost'))
  })

  says('a link that breaks is never a clean end', async (t, { impatient }) => {
    let path: DarkPath | undefined
    const makePath = async (to: Address) => {
      path = await impatient.path(to)
      t.teardown(() => path?.cut())
      return path
    }
    const { near, far } = await pair(t, { transport: impatient.transport, path: makePath })
    const [mine, theirs] = await streamPair(near, far)
    mine.end('all of mine') // one direction is complete, the other is not
    await collect(theirs)
    const failing = Promise.all([failure(mine), failure(theirs)])
    path!.cut()
    t.true((await failing).every(({ code }) => code === 'link_lost'))
    t.is((await near.closed).by, 'network')
    t.is((await far.closed).by, 'network')
  })

  says('links live on when their listener closes', async (t, subject) => {
    const { near, far, listener } = await pair(t, subject)
    const closing = listener.close()
    const [mine, theirs] = await streamPair(near, far)
    mine.end('alive')
    t.is(String(await collect(theirs)), 'alive')
    await near.close()
    await within(closing, closeDeadlineMs, 'close of the listener')
    await t.notThrowsAsync(async () => {
      const again = await subject.transport.listen(listener.address, { credentials: await credentialsOnce })
      await again.close()
    }, 'its port is free')
  })

  // ---- who is who ----

  says('exported keys are equal on both ends and bound to label, context and link', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    const { near: other } = await pair(t, subject)
    const context = Buffer.from('context')
    const key = near.exportKey('EXPORTER-petrel-test', context, 32)
    t.is(key.length, 32)
    t.deepEqual(Buffer.from(far.exportKey('EXPORTER-petrel-test', context, 32)), Buffer.from(key))
    t.notDeepEqual(Buffer.from(near.exportKey('EXPORTER-petrel-else', context, 32)), Buffer.from(key))
    t.notDeepEqual(Buffer.from(near.exportKey('EXPORTER-petrel-test', Buffer.from('else'), 32)), Buffer.from(key))
    t.notDeepEqual(Buffer.from(other.exportKey('EXPORTER-petrel-test', context, 32)), Buffer.from(key))
  })

  says('each kind of trust admits whom it should and nobody else', async (t, { transport }) => {
    const authority = await makeAuthority()
    const stranger = await makeAuthority()
    const credentials = await authority.sign({ names: ['petrel.test', '127.0.0.1'] })
    const listener = await transport.listen(anyPort, { credentials })
    t.teardown(() => listener.close())
    const dial = async (options: DialOptions) => {
      const link = await transport.dial(listener.address, options)
      const { peer } = link
      await link.close()
      return { verified: peer.verified, pin: Buffer.from(peer.pin!) }
    }
    const pin = Buffer.from(credentials.pin)
    const ca = { kind: 'ca', certificates: authority.certificate } as const
    t.deepEqual(await dial({ trust: { kind: 'pin', pin } }), { verified: true, pin })
    t.deepEqual(await dial({ trust: ca }), { verified: true, pin })
    t.deepEqual(await dial({ trust: ca, serverName: 'petrel.test' }), { verified: true, pin })
    t.deepEqual(await dial({ trust: { kind: 'unverified' } }), { verified: false, pin })
    const refused = async (options: DialOptions) => t.is((await rejection(dial(options))).code, 'certificate_untrusted')
    await refused({ trust: { kind: 'pin', pin: Buffer.alloc(32) } })
    await refused({ trust: ca, serverName: 'other.test' })
    await refused({ trust: { kind: 'ca', certificates: stranger.certificate } })
    await refused({ trust: { kind: 'system' } })
  })

  says('an expired certificate passes by its pin and not by its authority', async (t, { transport }) => {
    const authority = await makeAuthority()
    const credentials = await authority.sign({ expired: true })
    const listener = await transport.listen(anyPort, { credentials })
    t.teardown(() => listener.close())
    const link = await transport.dial(listener.address, { trust: { kind: 'pin', pin: credentials.pin } })
    await link.close()
    const trust = { kind: 'ca', certificates: authority.certificate } as const
    t.is((await rejection(transport.dial(listener.address, { trust }))).code, 'certificate_untrusted')
  })

  says("a dialler's own certificate is proved and its pin seen", async (t, subject) => {
    const mine = await makeCredentials({ names: ['client'] })
    const { far } = await pair(t, { ...subject, dial: { credentials: mine } })
    t.true(far.peer.verified)
    t.deepEqual(Buffer.from(far.peer.pin!), Buffer.from(mine.pin))
    const { far: without } = await pair(t, subject)
    t.deepEqual(without.peer, { verified: false, pin: undefined })
  })

  says('renewed credentials serve new links and leave old ones alone', async (t, subject) => {
    const { listener, near, far } = await pair(t, subject)
    const renewed = await makeCredentials()
    listener.renew(renewed)
    const accepting = firstLink(listener)
    const link = await subject.transport.dial(listener.address, { trust: { kind: 'pin', pin: renewed.pin } })
    await (await accepting).close()
    await link.close()
    const [mine, theirs] = await streamPair(near, far)
    mine.end('old')
    t.is(String(await collect(theirs)), 'old')
  })

  // ---- what goes wrong before there is a link ----

  says('a taken address and bad credentials are named errors', async (t, { transport }) => {
    const credentials = await credentialsOnce
    const listener = await transport.listen(anyPort, { credentials })
    t.teardown(() => listener.close())
    const taken = await rejection(transport.listen(listener.address, { credentials }))
    t.is(taken.code, 'address_in_use')
    t.regex(taken.message, /choose another/)
    const bad = { certificate: 'no certificate', privateKey: 'no key' }
    t.is((await rejection(transport.listen(anyPort, { credentials: bad }))).code, 'config_invalid')
  })

  says('dialling nobody fails, and an aborted dial is aborted', async (t, { transport }) => {
    const listener = await transport.listen(anyPort, { credentials: await credentialsOnce })
    await listener.close()
    const trust = { kind: 'unverified' } as const
    const signal = AbortSignal.abort()
    t.is((await rejection(transport.dial(listener.address, { trust, signal }))).code, 'aborted')
    const { code } = await rejection(transport.dial(listener.address, { trust }))
    t.true(code === 'unreachable' || code === 'timeout')
  })

  // ---- datagrams ----

  says('datagrams keep their boundaries, also the empty ones', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    if (near.datagrams === undefined || far.datagrams === undefined) {
      t.pass('this transport has none')
      return
    }
    const largest = near.datagrams.maxBytes
    t.true(largest >= 1_000)
    const sent = [Buffer.alloc(0), pattern(1), pattern(largest), Buffer.from('last')]
    const got: Buffer[] = []
    const receiving = (async () => {
      for await (const batch of far.datagrams!) {
        for (const payload of batch) got.push(Buffer.from(payload))
        if (got.length >= sent.length) return
      }
    })()
    for (const payload of sent) t.true(near.datagrams.send(payload))
    t.false(near.datagrams.send(Buffer.alloc(70_000)))
    await within(receiving, 5_000, 'receiving datagrams')
    const sorted = (list: Buffer[]) => list.map((payload) => payload.toString('hex')).sort()
    t.deepEqual(sorted(got), sorted(sent))
    await near.close()
    t.false(near.datagrams.send(Buffer.from('late')))
  })

  says('datagrams that nobody reads are dropped, not kept', async (t, subject) => {
    const { near, far } = await pair(t, subject)
    if (near.datagrams === undefined || far.datagrams === undefined) {
      t.pass('this transport has none')
      return
    }
    const payload = Buffer.alloc(1_000)
    const count = (3 * limits.link.authenticated.datagramBytes) / payload.length
    for (let sent = 0; sent < count; sent++) {
      near.datagrams.send(payload)
      if (sent % 50 === 0) await delay(1)
    }
    await delay(watchMs)
    const { value } = await far.datagrams[Symbol.asyncIterator]().next()
    t.true((value as Uint8Array[]).length * payload.length <= limits.link.authenticated.datagramBytes)
  })
}
