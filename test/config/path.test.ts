// profile, bandwidth and bandwidth_limit, of server and client alike.

import test from 'ava'
import { profiles } from '../../src/base/limits.js'
import { makeToken } from '../../src/base/token.js'
import { loadClient } from '../../src/config/client.js'
import type { Given } from '../../src/config/read.js'
import { loadServer } from '../../src/config/server.js'
import { testFolder } from './folder.js'

const needed = 'server: x\nproxies:\n  ssh: { type: tcp, local_port: 22 }\n'
const env = { PETREL_TOKEN: makeToken() }

const sides = {
  server: (given: Given) => loadServer(given).path,
  client: (given: Given) => loadClient({ ...given, env: { ...env, ...given.env } }).path,
}

for (const [side, load] of Object.entries(sides)) {
  const file = (text: string) => `${side === 'client' ? needed : ''}${text}`

  test(`${side}: of its path nothing is told, unless somebody does`, (t) => {
    const bare = testFolder(t).write('f.yaml', file(''))
    const unset = { profile: profiles.default, bandwidth: undefined, bandwidthLimit: undefined }
    t.deepEqual(load({ file: bare, env: {} }), unset)
  })

  test(`${side}: a flag beats the environment, which beats the file, for each key by itself`, (t) => {
    const full = testFolder(t).write('f.yaml', file('profile: small\nbandwidth: 1mbit\nbandwidth_limit: 2.5mbit\n'))
    t.deepEqual(load({ file: full, env: {} }), {
      profile: profiles.small,
      bandwidth: 125_000,
      bandwidthLimit: 312_500,
    })
    const variables = { PETREL_PROFILE: 'satellite', PETREL_BANDWIDTH: '50mbit' }
    const flags = [{ path: 'bandwidth', value: '1gbit', flag: '--bandwidth' }]
    t.deepEqual(load({ file: full, env: variables, flags }), {
      profile: profiles.satellite,
      bandwidth: 125_000_000,
      bandwidthLimit: 312_500,
    })
  })

  for (const [key, value, found] of [
    ['profile', 'starlink', 'expected one of default, satellite, small, found "starlink"'],
    ['bandwidth', '50', 'such as 50mbit, from 64kbit to 100gbit, found 50'],
    ['bandwidth', '50mbps', 'found "50mbps"'],
    ['bandwidth', '6MiB', 'found "6MiB"'],
    ['bandwidth_limit', '63kbit', 'found "63kbit"'],
    ['bandwidth_limit', '101gbit', 'found "101gbit"'],
  ] as const) {
    test(`${side}: ${key}: ${value} is refused, with its place`, (t) => {
      const wrong = testFolder(t).write('f.yaml', file(`${key}: ${value}\n`))
      const { message } = t.throws(() => load({ file: wrong, env: {} }), { code: 'config_invalid' })
      const line = side === 'client' ? 4 : 1
      t.true(message.includes(`f.yaml:${line}:${key.length + 3}: ${key}: `) && message.includes(found), message)
    })
  }
}

test('a link may use what its server’s profile has, and what stands in limits instead', (t) => {
  for (const [name, { link, handshakeMs }] of Object.entries(profiles)) {
    const limits = loadServer({ env: { PETREL_PROFILE: name } }).limits
    t.deepEqual([limits.link, limits.handshakeMs], [link, handshakeMs])
  }
  const said = { PETREL_LIMITS_LINK_CREDIT: '10MiB', PETREL_LIMITS_HANDSHAKE_TIMEOUT: '3s' }
  const { link, handshakeMs } = loadServer({ env: { PETREL_PROFILE: 'satellite', ...said } }).limits
  t.deepEqual(link, { ...profiles.satellite.link, creditBytes: 10 * 1024 * 1024 })
  t.is(handshakeMs, 3_000)
})
