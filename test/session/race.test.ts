// Transports in a race for one server. The server is real, the transports are memory's under other names, each opened,
// kept silent or broken as a test wants; the clock is the test's.

import { randomBytes } from 'node:crypto'
import { mock } from 'node:test'
import test, { type ExecutionContext } from 'ava'
import { type ErrorCode, isPetrelError, PetrelError } from '../../src/base/errors.js'
import type { Log } from '../../src/base/log.js'
import { makeToken } from '../../src/base/token.js'
import type { Server } from '../../src/server/options.js'
import type { Call } from '../../src/session/enter.js'
import { Race } from '../../src/session/race.js'
import { transportByName } from '../../src/transport/index.js'
import type { Address, DialOptions, Link, Transport, TransportName } from '../../src/transport/transport.js'
import { makeCredentials } from '../support/credentials.js'
import { deferred } from '../support/deferred.js'
import { serverOptions, silent, startServer, token } from '../support/ends.js'

const memory = transportByName('memory')

test.beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 0 }))
test.afterEach.always(() => mock.timers.reset())

/** open: dials the server. dark: never answers. deaf: dark, and does not hear that it is no longer wanted; open() then
 *  brings its link. Or the error that it ends with. */
type Way = 'open' | 'dark' | 'deaf' | PetrelError

interface Fake extends Transport {
  /** When it was dialled, and where. */
  readonly dials: { readonly at: number; readonly address: Address; readonly options: DialOptions }[]
  readonly links: Link[]
  readonly open: () => void
  way: Way | ((address: Address) => Way)
}

function fake(name: TransportName, way: Fake['way'], server: Server): Fake {
  const opened = deferred()
  const link = async (options: DialOptions) => {
    const real = await memory.dial(server.address, options)
    const renamed = new Proxy(real, {
      get: (of, key) => {
        const value = Reflect.get(of, key) as unknown
        return key === 'transport' ? name : typeof value === 'function' ? value.bind(of) : value
      },
    })
    one.links.push(renamed)
    return renamed
  }
  const one: Fake = {
    name,
    way,
    dials: [],
    links: [],
    open: opened.resolve,
    listen: () => Promise.reject(new Error('not here')),
    async dial(address, options) {
      one.dials.push({ at: Date.now(), address, options })
      const now = typeof one.way === 'function' ? one.way(address) : one.way
      if (now instanceof PetrelError) throw now
      if (now === 'dark') {
        await new Promise((_, reject) => options.signal?.addEventListener('abort', () => reject(error('aborted', ''))))
      }
      if (now === 'deaf') await opened.promise
      return link({ ...options, signal: new AbortController().signal })
    },
  }
  return one
}

const error = (code: ErrorCode, message: string) => new PetrelError(code, 'network', message)

interface Setting {
  readonly server: Server
  readonly quic: Fake
  readonly kcp: Fake
  readonly tls: Fake
  readonly race: Race
  readonly call: Call
  readonly lines: string[]
  readonly stop: AbortController
  run(more?: Partial<Call>): ReturnType<Race['run']>
}

async function setting(t: ExecutionContext, ways: readonly Way[], lookUp?: () => Promise<readonly Address[]>) {
  const server = await startServer(await serverOptions([memory]))
  t.teardown(() => settles(server.close()))
  const [quic, kcp, tls] = (['quic', 'kcp', 'tls'] as const).map((name, n) => fake(name, ways[n] ?? 'open', server))
  const lines: string[] = []
  const log: Log = { ...silent, info: (_: object, line?: string) => void lines.push(line ?? '') }
  const race = new Race([quic!, kcp!, tls!], log, lookUp)
  const call: Call = {
    server: server.address,
    trust: { kind: 'pin', pin: server.pin },
    credential: { token },
    clientId: randomBytes(16),
    registers: [],
  }
  const stop = new AbortController()
  const run = (more: Partial<Call> = {}) => race.run({ ...call, ...more }, stop.signal)
  return { server, quic, kcp, tls, race, call, lines, stop, run } as Setting
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Lets the time pass, and what happens in it happen. */
async function pass(ms: number): Promise<void> {
  for (let n = 0; n < 20; n++) await turn()
  mock.timers.tick(ms)
  for (let n = 0; n < 20; n++) await turn()
}

/** What closes waits for farewells, which have their time. */
async function settles<T>(promise: Promise<T>): Promise<T> {
  let isDone = false
  const done = promise.finally(() => {
    isDone = true
  })
  while (!isDone) await pass(100)
  return done
}

const times = (...fakes: readonly Fake[]) => fakes.map(({ dials }) => dials[0]?.at)

test.serial('quic first, kcp 250 ms later, tls after 500 more; who is silent is named in one line', async (t) => {
  const { quic, kcp, tls, run, lines, server } = await setting(t, ['dark', 'dark', 'open'])
  const running = run()
  for (const ms of [249, 1, 499, 1]) await pass(ms)
  const { link } = await running
  t.is(link.transport, 'tls')
  t.deepEqual(times(quic, kcp, tls), [0, 250, 750])
  t.true(quic.dials[0]?.options.signal?.aborted)
  t.true(kcp.dials[0]?.options.signal?.aborted)
  t.deepEqual(lines, ['over tls: quic did not answer within 750 ms, kcp did not answer within 500 ms (UDP blocked?)'])
  t.is(server.sessions().length, 1)
  await settles(link.close())
})

test.serial('where nobody answers, who waits is told once', async (t) => {
  const { run, lines, server, stop } = await setting(t, ['dark', 'dark', 'dark'])
  const running = run()
  for (const ms of [250, 500, 2_249]) await pass(ms)
  t.deepEqual(lines, [])
  for (const ms of [1, 5_000]) await pass(ms)
  const { host, port } = server.address
  t.deepEqual(lines, [`no answer from ${host}:${port} over quic, kcp, tls so far: still trying`])
  stop.abort()
  await t.throwsAsync(running)
})

test.serial('the one that has the head start wins without a word, and the others are never dialled', async (t) => {
  const { quic, kcp, tls, run, lines } = await setting(t, ['open'])
  const { link } = await run()
  await pass(10_000)
  t.is(link.transport, 'quic')
  t.deepEqual(times(quic, kcp, tls), [0, undefined, undefined])
  t.deepEqual(lines, [])
  await settles(link.close())
})

for (const code of ['unreachable', 'timeout', 'native_missing', 'unsupported', 'link_lost'] as const) {
  test.serial(`${code} starts the next transport at once`, async (t) => {
    const { quic, kcp, tls, run, lines } = await setting(t, [error(code, 'not this way'), 'dark', 'open'])
    const running = run()
    await pass(0)
    t.deepEqual(times(quic, kcp, tls), [0, 0, undefined])
    await pass(500)
    const { link } = await running
    t.deepEqual(times(quic, kcp, tls), [0, 0, 500])
    t.deepEqual(lines, ['over tls: quic failed (not this way), kcp did not answer within 500 ms (UDP blocked?)'])
    await settles(link.close())
  })
}

for (const code of ['auth_failed', 'certificate_untrusted', 'token_invalid', 'draining', 'limit_exceeded'] as const) {
  test.serial(`${code} ends the race at once, with that error`, async (t) => {
    const { quic, kcp, tls, run } = await setting(t, ['dark', error(code, 'never')])
    const running = run()
    await pass(250)
    await t.throwsAsync(running, { code, message: 'never' })
    await pass(10_000)
    t.deepEqual(times(quic, kcp, tls), [0, 250, undefined])
    t.true(quic.dials[0]?.options.signal?.aborted)
  })
}

test.serial('a wrong token is refused once, and no other transport is tried with it', async (t) => {
  const { quic, kcp, run, server } = await setting(t, ['open'])
  const running = t.throwsAsync(run({ credential: { token: makeToken() } }), { code: 'auth_failed' })
  await pass(0)
  await running
  await pass(10_000)
  t.is((await quic.links[0]?.closed)?.code, 0)
  t.deepEqual(times(kcp), [undefined])
  t.is(server.sessions().length, 0)
})

test.serial('when all fail, one sentence names each and its reason', async (t) => {
  const ways = [error('timeout', 'no answer'), error('unreachable', 'nobody there'), error('unreachable', 'a wall')]
  const { run, server } = await setting(t, ways)
  const failed = await t.throwsAsync(run())
  t.true(isPetrelError(failed, 'unreachable'))
  t.is(
    failed?.message,
    `no transport gets through to 127.0.0.1:${server.address.port}: quic: no answer; kcp: nobody there; tls: a wall`,
  )
})

test.serial(
  'what all fail of is the code of their error; one on UDP alone says its own, and what else there is',
  async (t) => {
    const timeout = error('timeout', 'no answer')
    const { run, quic, tls, call } = await setting(t, [timeout, timeout, timeout])
    await t.throwsAsync(run(), {
      code: 'timeout',
      message: /^no transport gets through to [^;]+: quic: no answer; kcp/,
    })
    const alone = (one: Fake) => new Race([one], silent).run(call, new AbortController().signal)
    await t.throwsAsync(alone(quic), { code: 'timeout', message: /^no answer; the transport auto also tries TLS/ })
    await t.throwsAsync(alone(tls), { code: 'timeout', message: 'no answer' })
  },
)

test.serial('the next race starts with what worked last', async (t) => {
  const { quic, kcp, tls, run, lines } = await setting(t, ['dark', 'dark', 'open'])
  const running = run()
  await pass(250)
  await pass(500)
  await settles((await running).link.close())
  let from = Date.now()
  const again = await run()
  t.is(again.link.transport, 'tls')
  t.deepEqual(
    [quic, kcp, tls].map(({ dials }) => dials.length),
    [1, 1, 2],
  )
  t.is(tls.dials[1]?.at, from)
  await settles(again.link.close())
  // It has the head start, and the others their chance.
  tls.way = 'dark'
  kcp.way = 'open'
  from = Date.now()
  const last = run()
  await pass(250)
  await pass(250)
  t.is((await last).link.transport, 'kcp')
  t.deepEqual([tls.dials[2]?.at, quic.dials[1]?.at, kcp.dials[1]?.at], [from, from + 250, from + 500])
  t.is(lines.at(-1), 'over kcp: tls did not answer within 500 ms, quic did not answer within 250 ms')
  await settles((await last).link.close())
})

test.serial(
  'where UDP is blocked a server that restarts is served again in a second, not when the silent ones end',
  async (t) => {
    const { tls, run, race } = await setting(t, ['dark', 'dark', 'open'])
    const before = run()
    await pass(250)
    await pass(500)
    await settles((await before).link.close())
    tls.way = error('unreachable', 'nothing listens')
    const from = Date.now()
    const running = run()
    await pass(400)
    tls.way = 'open'
    await pass(600)
    const { link } = await running
    t.is(link.transport, 'tls')
    t.deepEqual(
      tls.dials.slice(1).map(({ at }) => at - from),
      [0, 1_000],
    )
    await settles(link.close())
    await settles(race.settled())
  },
)

test.serial('a link that comes when the race is over is closed, and the server keeps nothing of it', async (t) => {
  const { quic, run, race, server } = await setting(t, ['deaf', 'open'])
  const running = run()
  await pass(250)
  const { link } = await running
  quic.open()
  await pass(0)
  t.like(await quic.links[0]?.closed, { by: 'us', code: 0 })
  await settles(race.settled())
  t.is(server.sessions().length, 1)
  t.is(link.transport, 'kcp')
  await settles(link.close())
})

test.serial('giving up ends everything: what is under way, what waits, and a link that comes late', async (t) => {
  const { quic, kcp, tls, run, stop, race, server } = await setting(t, ['deaf', 'dark', 'open'])
  const running = t.throwsAsync(run(), { code: 'aborted' })
  await pass(250)
  stop.abort()
  await running
  quic.open()
  await pass(10_000)
  await settles(race.settled())
  t.like(await quic.links[0]?.closed, { by: 'us', code: 0 })
  t.true(kcp.dials[0]?.options.signal?.aborted)
  t.is(tls.dials.length, 0)
  t.is(server.sessions().length, 0)
  await t.throwsAsync(run(), { code: 'aborted' })
})

const v6: Address = { host: '2001:db8::1', port: 9000 }
const v4: Address = { host: '192.0.2.1', port: 9000 }

test.serial('each transport tries the addresses by turns, and verifies the name that was asked for', async (t) => {
  const { quic, kcp, tls, run } = await setting(t, ['dark', 'dark', 'dark'], async () => [v6, v4])
  tls.way = (address) => (address === v4 ? 'open' : 'dark')
  const running = run({ server: { host: 'tunnel.example.com', port: 9000 } })
  for (const ms of [250, 250, 250, 250]) await pass(ms)
  const { link } = await running
  const dials = (one: Fake) => one.dials.map(({ at, address: { host } }) => [at, host])
  t.deepEqual(dials(quic), [
    [0, v6.host],
    [250, v4.host],
  ])
  t.deepEqual(dials(kcp), [
    [250, v6.host],
    [500, v4.host],
  ])
  t.deepEqual(dials(tls), [
    [750, v6.host],
    [1_000, v4.host],
  ])
  t.is(tls.dials[0]?.options.serverName, 'tunnel.example.com')
  await settles(link.close())
})

test.serial('a transport has failed when all of the addresses have, and says so of each', async (t) => {
  const { quic, kcp, tls, run } = await setting(t, [], async () => [v6, v4])
  for (const one of [quic, kcp, tls]) one.way = ({ host }) => error('unreachable', `no way to ${host}`)
  const failed = await t.throwsAsync(run({ server: { host: 'h', port: 9000 } }), { code: 'unreachable' })
  const both = `no way to ${v6.host}; no way to ${v4.host}`
  t.is(failed?.message, `no transport gets through to h:9000: quic: ${both}; kcp: ${both}; tls: ${both}`)
  t.deepEqual(times(quic, kcp, tls), [0, 0, 0])
})

test.serial('a name that nobody knows is an error before anything is dialled', async (t) => {
  const { quic, call } = await setting(t, [])
  const race = new Race([quic], silent)
  const unknown = { ...call, server: { host: 'petrel-test.invalid', port: 9 } }
  await t.throwsAsync(race.run(unknown, new AbortController().signal), {
    code: 'unreachable',
    message: /cannot resolve/,
  })
  t.is(quic.dials.length, 0)
})

test.serial('a server that proves nothing ends the race: another transport leads to the same impostor', async (t) => {
  const { quic, kcp, run } = await setting(t, ['open'])
  const other = await makeCredentials()
  await t.throwsAsync(run({ trust: { kind: 'pin', pin: other.pin } }), { code: 'certificate_untrusted' })
  await pass(10_000)
  t.deepEqual(times(quic, kcp), [0, undefined])
})
