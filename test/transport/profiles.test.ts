// What a profile and the rates do in a real link on loopback, at the end that was told.

import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { type Profile, profiles } from '../../src/base/limits.js'
import { transportByName } from '../../src/transport/index.js'
import { hasAddon } from '../../src/transport/native/binding.js'
import type { NativeLinkStats } from '../../src/transport/native/stats.js'
import type { Link, PathSettings } from '../../src/transport/transport.js'
import { makeCredentials } from '../support/credentials.js'

const declare = hasAddon() ? test : test.skip
const why = hasAddon() ? '' : ' (SKIP: no native addon)'
const any = { host: '127.0.0.1', port: 0 }
/** What every new stream has (PROTOCOL.md). */
const initialCredit = 16 * 1024

async function pair(
  t: ExecutionContext,
  name: 'quic' | 'kcp' | 'tls',
  dials: PathSettings,
  listens: PathSettings,
): Promise<[Link, Link]> {
  const credentials = await makeCredentials()
  const listener = await transportByName(name, listens).listen(any, { credentials })
  const trust = { kind: 'pin', pin: credentials.pin } as const
  const [near, { value: far }] = await Promise.all([
    transportByName(name, dials).dial(listener.address, { trust }),
    listener[Symbol.asyncIterator]().next(),
  ])
  t.teardown(async () => {
    await Promise.all([near.close(), far.close(), listener.close()])
  })
  far.raiseLimits(listens.profile.link)
  return [near, far]
}

const stats = (link: Link): NativeLinkStats => link.stats() as NativeLinkStats

/** A sixth of what a link may use, as a stream has it while few are open. */
const windowOf = ({ link, windowBytes }: Profile) => Math.min(windowBytes, Math.floor(link.creditBytes / 6))

for (const name of ['quic', 'kcp'] as const) {
  for (const profile of Object.values(profiles)) {
    declare(`${name}: one stream of a link has the window of the profile ${profile.name}${why}`, async (t) => {
      const [near] = await pair(t, name, { profile }, { profile: profiles.default })
      const stream = await near.open()
      stream.write('x')
      const { profile: told, grantedBytes, receiveBufferBytes } = stats(near)
      t.is(told, profile.name)
      t.is(grantedBytes, windowOf(profile))
      t.true(receiveBufferBytes <= 2 * profile.socketBytes, `${receiveBufferBytes} of buffers`)
    })
  }

  declare(`${name}: however much its peer would hold, an end holds what its own profile says${why}`, async (t) => {
    const [near, far] = await pair(t, name, { profile: profiles.satellite }, { profile: profiles.small })
    const { streams, creditBytes } = profiles.small.link
    const flood = Buffer.alloc(1024 * 1024)
    // Nobody reads at the other end.
    for (let i = 0; i < 40; i++) (await near.open()).on('error', () => {}).write(flood)
    let most = 0
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      most = Math.max(most, stats(far).grantedBytes)
    }
    t.true(most > creditBytes / 4, `${most} bytes: the peer was given some`)
    t.true(most <= creditBytes + 40 * initialCredit, `${most} bytes were promised to a satellite by a small end`)
    t.true(stats(far).openStreams <= streams)
  })

  declare(`${name}: a bandwidth limit holds back the end that has it, and no other${why}`, async (t) => {
    const bandwidthLimit = 1_000_000
    const profile = profiles.default
    const [near, far] = await pair(t, name, { profile, bandwidthLimit, bandwidth: 100_000_000 }, { profile })
    t.is(stats(near).bandwidthLimit, bandwidthLimit)
    t.is(stats(near).bandwidth, 100_000_000)
    t.is(stats(far).bandwidthLimit, undefined)
    const stream = await near.open()
    stream.write('x')
    const { value: other } = await far[Symbol.asyncIterator]().next()
    t.true((await timeFor(other, stream, 1_000_000)) >= 0.85)
    t.true((await timeFor(stream, other, 4_000_000)) < 3, 'four times as much takes less the other way')
  })
}

test('tls takes of a profile how much a link may use', async (t) => {
  const path = { profile: profiles.small, bandwidth: 1_000 }
  const [near, far] = await pair(t, 'tls', path, path)
  for (const link of [near, far]) {
    const { profile, bandwidth } = link.stats()
    t.deepEqual([profile, bandwidth], ['small', 1_000])
  }
})

/** Seconds until `bytes` have come from one end of a stream to the other. */
async function timeFor(to: NodeJS.ReadableStream, from: NodeJS.WritableStream, bytes: number): Promise<number> {
  const began = performance.now()
  from.write(Buffer.alloc(bytes))
  let came = 0
  while (came < bytes) {
    const chunk = to.read() as Buffer | null
    if (chunk === null) await once(to, 'readable')
    else came += chunk.length
  }
  return (performance.now() - began) / 1000
}
