import { chmodSync } from 'node:fs'
import test from 'ava'
import { makeToken } from '../../src/base/token.js'
import { loadClient } from '../../src/config/client.js'
import { loadServer } from '../../src/config/server.js'
import { testFolder } from './folder.js'

const token = makeToken()
const other = makeToken()
const pin = new Uint8Array(32).fill(7)
const joined = { server: { host: 'joined.example', port: 9000 }, token, pin }
const ssh = 'proxies:\n  ssh: { type: tcp, local_port: 22 }\n'

test('a flag beats the environment, which beats the file, which beats the default', (t) => {
  const file = testFolder(t).write('server.yaml', 'bind_port: 1\nport_range_start: 1\nport_range_end: 30001\n')
  const env = { PETREL_BIND_PORT: '2', PETREL_PORT_RANGE_START: '2' }
  const settings = loadServer({ file, env, flags: [{ path: 'bind_port', value: 3, flag: '--bind-port' }] })
  t.is(settings.bind.port, 3)
  t.deepEqual(settings.ports, { start: 2, end: 30001 })
  t.is(settings.bind.host, '0.0.0.0')
})

test('a token in the environment takes the place of the token file of a lower layer', (t) => {
  const file = testFolder(t).write('server.yaml', 'auth_token_file: ./nowhere\n')
  t.deepEqual(loadServer({ file, env: { PETREL_TOKEN: token } }).clients, [{ name: 'token', token }])
})

test('the environment reaches into groups, with numbers and booleans as such', (t) => {
  const settings = loadServer({ env: { PETREL_LIMITS_CLIENTS: '5', PETREL_LIMITS_LINK_CREDIT: '1MiB' } })
  t.is(settings.limits.clients, 5)
  t.is(settings.limits.link.creditBytes, 1024 * 1024)
})

test('a variable that is no setting is told, those of the other side are not', (t) => {
  const { warnings } = loadServer({ env: { PETREL_BNID_PORT: '1', PETREL_SERVER: 'x', PETREL_HOME: '/x', OTHER: '1' } })
  t.deepEqual(warnings, ['PETREL_BNID_PORT in the environment is not a setting, and is ignored'])
})

test('paths of a file count from its folder', (t) => {
  const folder = testFolder(t)
  folder.write('token', `${token}\n`)
  const file = folder.write('server.yaml', 'auth_token_file: ./token\n')
  t.deepEqual(loadServer({ file, env: {} }).clients, [{ name: 'token', token }])
})

test('a secret that others can read is warned of, in its own file and in the configuration', (t) => {
  const folder = testFolder(t)
  const secret = folder.write('token', token)
  const file = folder.write(
    'server.yaml',
    `auth_token_file: ./token\nallowed_clients: [{ name: a, token: ${other} }]\n`,
  )
  t.deepEqual(loadServer({ file, env: {} }).warnings, [])
  for (const open of [secret, file]) {
    chmodSync(open, 0o640)
    t.deepEqual(loadServer({ file, env: {} }).warnings, [
      `${open} holds a secret and can be read by others: chmod 600 ${open}`,
    ])
    chmodSync(open, 0o600)
  }
})

test('allowed clients keep their ports and pins', (t) => {
  const hex = Buffer.from(pin)
    .toString('hex')
    .toUpperCase()
    .replace(/..(?=.)/g, '$&:')
  const file = testFolder(t).write(
    'server.yaml',
    `allowed_clients:\n  - { name: a, token: ${token}, allowed_ports: [8000, "9000-9100", 22] }\n  - { name: b, certificate_pin: "${hex}" }\n`,
  )
  t.deepEqual(loadServer({ file, env: {} }).clients, [
    {
      name: 'a',
      token,
      allowedPorts: [
        { start: 8000, end: 8000 },
        { start: 9000, end: 9100 },
        { start: 22, end: 22 },
      ],
    },
    { name: 'b', certificatePin: pin },
  ])
})

test('after a join, nothing else is needed', (t) => {
  const flags = [{ path: 'proxies', value: { ssh: { type: 'tcp', local_port: 22 } }, flag: 'tcp' }]
  const settings = loadClient({ env: {}, flags, joined })
  t.deepEqual(settings.server, joined.server)
  t.is(settings.token, token)
  t.deepEqual(settings.trust, { kind: 'pin', pin })
})

test('token and pin of the joined server are not used for another one', (t) => {
  const file = testFolder(t).write('client.yaml', `server: other.example\n${ssh}`)
  t.regex(t.throws(() => loadClient({ file, env: {}, joined }))?.message ?? '', /token: missing/)
  const settings = loadClient({ file, env: { PETREL_TOKEN: other }, joined })
  t.is(settings.token, other)
  t.deepEqual(settings.trust, { kind: 'unverified' })
})

test('a server that proved a token before is known by its pin, others have to prove it', (t) => {
  const file = testFolder(t).write('client.yaml', `server: h:9000\ntoken: ${token}\n${ssh}`)
  const knownPin = ({ host }: { host: string }) => (host === 'h' ? pin : undefined)
  t.deepEqual(loadClient({ file, env: {}, knownPin }).trust, { kind: 'pin', pin })
  t.deepEqual(loadClient({ file, env: {} }).trust, { kind: 'unverified' })
  t.deepEqual(loadClient({ file, env: { PETREL_SYSTEM_ROOTS: 'true' } }).trust, { kind: 'system' })
})

test('proxies keep what they were given and take the defaults for the rest', (t) => {
  const file = testFolder(t).write(
    'client.yaml',
    `server: h\ntoken: ${token}\nproxies:\n  web: { type: tcp, local_host: 10.0.0.5, local_port: 80, bind_addr: 127.0.0.1, allow: [10.0.0.0/8], proxy_protocol: true, idle_timeout: 5m }\n`,
  )
  t.deepEqual(loadClient({ file, env: {} }).proxies, [
    {
      spec: {
        type: 'tcp',
        name: 'web',
        remotePort: 0,
        localPort: 80,
        noDelay: true,
        bindAddress: '127.0.0.1',
        allow: ['10.0.0.0/8'],
        idleTimeoutMs: 300_000,
      },
      service: {
        host: '10.0.0.5',
        port: 80,
        proxyProtocol: true,
        noDelay: true,
        connectTimeoutMs: 10_000,
        idleTimeoutMs: 300_000,
      },
    },
  ])
})
