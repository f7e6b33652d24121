// Every way to get a configuration wrong that we know of, and the line that the user then reads. Longer than most files:
// one list of mistakes.

import test from 'ava'
import { isPetrelError } from '../../src/base/errors.js'
import { makeToken } from '../../src/base/token.js'
import { loadClient } from '../../src/config/client.js'
import type { FlagValue } from '../../src/config/read.js'
import { loadServer } from '../../src/config/server.js'
import { testFolder } from './folder.js'

interface Case {
  readonly title: string
  readonly yaml?: string
  readonly env?: Record<string, string>
  readonly flags?: readonly FlagValue[]
  /** Each problem, in any order, without the folder. */
  readonly problems: readonly string[]
}

const token = makeToken()
const other = makeToken()
const pin = Buffer.alloc(32, 7).toString('base64url')
const wrongToken = 'this is not a token of petrel: make one with `petrel token`'
const portText = 'expected a port from 1 to 65535'

const serverCases: readonly Case[] = [
  {
    title: 'an unknown key',
    yaml: 'bnid_port: 1',
    problems: ['f.yaml:1:1: bnid_port: unknown key; did you mean bind_port?'],
  },
  {
    title: 'a key written with hyphens',
    yaml: '\nbind-port: 1',
    problems: ['f.yaml:2:1: bind-port: unknown key; did you mean bind_port?'],
  },
  {
    title: 'an unknown key in a group',
    yaml: 'limits:\n  client: 4',
    problems: ['f.yaml:2:3: limits.client: unknown key; did you mean clients?'],
  },
  {
    title: 'a key that is near to none',
    yaml: 'log:\n  zzzzzzzzzzzzzzz: 4',
    problems: [
      'f.yaml:2:3: log.zzzzzzzzzzzzzzz: unknown key; the keys here are level, format, file, rotate_size, rotate_every, keep_files, time_zone',
    ],
  },
  {
    title: 'a wrong type',
    yaml: 'bind_port: nine',
    problems: ['f.yaml:1:12: bind_port: expected a port from 0 (any free one) to 65535, found "nine"'],
  },
  {
    title: 'a port out of range',
    yaml: 'port_range_start: 70000',
    problems: [`f.yaml:1:19: port_range_start: ${portText}, found 70000`],
  },
  {
    title: 'a negative port',
    yaml: 'port_range_end: -1',
    problems: [`f.yaml:1:17: port_range_end: ${portText}, found -1`],
  },
  {
    title: 'half a port',
    yaml: 'bind_port: 9000.5',
    problems: ['f.yaml:1:12: bind_port: expected a port from 0 (any free one) to 65535, found 9000.5'],
  },
  {
    title: 'a key without a value',
    yaml: 'bind_port:',
    problems: ['f.yaml:1:11: bind_port: expected a port from 0 (any free one) to 65535, found nothing'],
  },
  {
    title: 'a host name to listen on',
    yaml: 'bind_addr: example.com',
    problems: ['f.yaml:1:12: bind_addr: expected an IP address, such as 0.0.0.0, 127.0.0.1 or ::, found "example.com"'],
  },
  {
    title: 'a public host with a port',
    yaml: 'public_host: example.com:9000',
    problems: [
      'f.yaml:1:14: public_host: expected a host name or an IP address, without a port, found "example.com:9000"',
    ],
  },
  {
    title: 'a transport that is not there',
    yaml: 'transports: [quic, smoke]',
    problems: ['f.yaml:1:20: transports[1]: expected one of quic, kcp, tls, found "smoke"'],
  },
  {
    title: 'no transport at all',
    yaml: 'transports: []',
    problems: ['f.yaml:1:1: transports: expected a list out of quic, kcp, tls, found a list'],
  },
  {
    title: 'a range the wrong way round',
    yaml: 'port_range_start: 30\nport_range_end: 20',
    problems: ['f.yaml:2:17: port_range_end: expected a port from 30 (port_range_start) to 65535, found 20'],
  },
  {
    title: 'a word of choice as token',
    yaml: 'auth_token: hunter2',
    problems: [`f.yaml:1:13: auth_token: ${wrongToken}`],
  },
  {
    title: 'a number as token',
    yaml: 'auth_token: 123456',
    problems: ['f.yaml:1:13: auth_token: expected a token made by `petrel token`, found a number'],
  },
  {
    title: 'a token file that is not there',
    yaml: 'auth_token_file: ./nowhere',
    problems: ['f.yaml:1:18: auth_token_file: no such file: FOLDER/nowhere'],
  },
  {
    title: 'a token twice',
    yaml: `auth_token: ${token}\nauth_token_file: ./token`,
    problems: ['f.yaml:2:18: auth_token_file: give auth_token or auth_token_file, not both'],
  },
  {
    title: 'a client without credential',
    yaml: 'allowed_clients:\n  - name: a',
    problems: ['f.yaml:2:5: allowed_clients[0]: expected one of token, token_file, certificate_pin; found none'],
  },
  {
    title: 'a client with two credentials',
    yaml: `allowed_clients:\n  - name: a\n    token: ${token}\n    certificate_pin: ${pin}`,
    problems: [
      'f.yaml:2:5: allowed_clients[0]: expected one of token, token_file, certificate_pin; found token and certificate_pin',
    ],
  },
  {
    title: 'a client without name',
    yaml: `allowed_clients:\n  - token: ${token}`,
    problems: [
      'f.yaml:2:5: allowed_clients[0].name: expected a name of 1 to 64 characters out of a-z A-Z 0-9 . _ -, found nothing',
    ],
  },
  {
    title: 'a client name twice',
    yaml: `allowed_clients:\n  - { name: a, token: ${token} }\n  - { name: a, token: ${other} }`,
    problems: ['f.yaml:3:13: allowed_clients[1].name: a client named a is there already'],
  },
  {
    title: 'two clients with one token',
    yaml: `allowed_clients:\n  - { name: a, token: ${token} }\n  - { name: b, token: ${token} }`,
    problems: ['f.yaml:3:5: allowed_clients[1]: another client has this very token: give each its own'],
  },
  {
    title: 'an unknown key of a client',
    yaml: `allowed_clients:\n  - { name: a, token: ${token}, allowed_port: 4 }`,
    problems: [
      `f.yaml:2:${22 + token.length + 3}: allowed_clients[0].allowed_port: unknown key; did you mean allowed_ports?`,
    ],
  },
  {
    title: 'a bad port range',
    yaml: `allowed_clients:\n  - name: a\n    token: ${token}\n    allowed_ports: [1, "9-8"]`,
    problems: [
      'f.yaml:4:24: allowed_clients[0].allowed_ports[1]: expected a port or a range such as 8000 or "9000-9100", found "9-8"',
    ],
  },
  {
    title: 'a bad pin',
    yaml: 'allowed_clients:\n  - { name: a, certificate_pin: abc }',
    problems: [
      'f.yaml:2:33: allowed_clients[0].certificate_pin: expected a pin: 43 characters of base64url or 64 of hex, found "abc"',
    ],
  },
  {
    title: 'a duration without its unit',
    yaml: 'limits:\n  handshake_timeout: 10',
    problems: [
      'f.yaml:2:22: limits.handshake_timeout: expected a duration with its unit (ms, s, m, h, d), such as 10s, at most 24d, found 10',
    ],
  },
  {
    title: 'a duration that no timer counts',
    yaml: 'limits: { tcp_idle_timeout: 25d }',
    problems: [
      'f.yaml:1:29: limits.tcp_idle_timeout: expected a duration with its unit (ms, s, m, h, d), such as 10s, at most 24d, found "25d"',
    ],
  },
  {
    title: 'a size in megabytes',
    yaml: 'limits: { link_credit: 96MB }',
    problems: [
      'f.yaml:1:24: limits.link_credit: expected a size with its unit (B, KiB, MiB, GiB), such as 96MiB, found "96MB"',
    ],
  },
  {
    title: 'a limit of nothing',
    yaml: 'limits: { clients: 0 }',
    problems: ['f.yaml:1:20: limits.clients: expected a whole number from 1 to 1000000, found 0'],
  },
  {
    title: 'a list where a group belongs',
    yaml: 'limits: [1]',
    problems: ['f.yaml:1:1: limits: expected a group of keys, found a list'],
  },
  {
    title: 'a level that is none',
    yaml: 'log: { level: loud }',
    problems: ['f.yaml:1:15: log.level: expected one of trace, debug, info, warn, error, found "loud"'],
  },
  {
    title: 'a time zone that is none',
    yaml: 'log: { time_zone: Mars/Olympus }',
    problems: [
      'f.yaml:1:19: log.time_zone: expected local, utc or a time zone such as Europe/Berlin, found "Mars/Olympus"',
    ],
  },
  {
    title: 'a certificate without its key',
    yaml: 'tls_cert_file: ./c',
    problems: ['f.yaml:1:16: tls_cert_file: needs tls_key_file beside it'],
  },
  {
    title: 'a key without its certificate',
    yaml: 'tls_key_file: ./c',
    problems: ['f.yaml:1:15: tls_key_file: needs tls_cert_file beside it'],
  },
  {
    title: 'a certificate that is none',
    yaml: 'tls_cert_file: ./token\ntls_key_file: ./token',
    problems: [
      'f.yaml:1:16: tls_cert_file: expected a certificate in PEM',
      'f.yaml:2:15: tls_key_file: expected a private key in PEM, unencrypted',
    ],
  },
  {
    title: 'a name twice in one group',
    yaml: 'bind_port: 1\nbind_port: 2',
    problems: ['f.yaml:2:1: bind_port: this name is here twice'],
  },
  {
    title: 'a text that is no YAML',
    yaml: 'a: [1',
    problems: [
      'f.yaml:1:6: not YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
  },
  { title: 'a list instead of keys', yaml: '- a', problems: ['f.yaml:1:1: expected a group of keys, found a list'] },
  {
    title: 'a bad value in the environment',
    env: { PETREL_BIND_PORT: 'x' },
    problems: ['PETREL_BIND_PORT: bind_port: expected a port from 0 (any free one) to 65535, found "x"'],
  },
  {
    title: 'a bad token in the environment',
    env: { PETREL_TOKEN: 'x' },
    problems: [`PETREL_TOKEN: auth_token: ${wrongToken}`],
  },
  {
    title: 'a bad value of a flag',
    flags: [{ path: 'bind_addr', value: 'x', flag: '--bind-addr' }],
    problems: ['--bind-addr: expected an IP address, such as 0.0.0.0, 127.0.0.1 or ::, found "x"'],
  },
  {
    title: 'everything at once',
    yaml: 'bnid_port: 1\nauth_token_file: ./nowhere\nlimits:\n  clients: many\nlog:\n  level: loud\n',
    problems: [
      'f.yaml:1:1: bnid_port: unknown key; did you mean bind_port?',
      'f.yaml:2:18: auth_token_file: no such file: FOLDER/nowhere',
      'f.yaml:4:12: limits.clients: expected a whole number from 1 to 1000000, found "many"',
      'f.yaml:6:10: log.level: expected one of trace, debug, info, warn, error, found "loud"',
    ],
  },
]

const base = `server: h\ntoken: ${token}\n`
const ssh = 'proxies:\n  ssh: { type: tcp, local_port: 22 }\n'
const clientCases: readonly Case[] = [
  {
    title: 'no server',
    yaml: `token: ${token}\n${ssh}`,
    problems: [
      'f.yaml:1:1: server: missing: run `petrel join` with the join string of your server, or name one (server: or --server)',
    ],
  },
  {
    title: 'no credential',
    yaml: `server: h\n${ssh}`,
    problems: [
      'f.yaml:1:1: token: missing: run `petrel join`, or give token_file: (PETREL_TOKEN) or tls_cert_file: and tls_key_file:',
    ],
  },
  {
    title: 'an allow list without an entry',
    yaml: `${base}proxies:\n  ssh: { type: tcp, local_port: 22, allow: [] }`,
    problems: ['f.yaml:4:37: proxies.ssh.allow: expected at least one address or range, found a list'],
  },
  {
    title: 'nothing to serve',
    yaml: base,
    problems: ['f.yaml:1:1: proxies: nothing to serve: name a proxy, or use `petrel tcp PORT`'],
  },
  {
    title: 'a server that is no address',
    yaml: `server: "h:99999"\ntoken: ${token}\n${ssh}`,
    problems: ['f.yaml:1:9: server: expected host:port, [ipv6]:port or a host alone, found "h:99999"'],
  },
  {
    title: 'a token twice',
    yaml: `${base}token_file: ./token\n${ssh}`,
    problems: ['f.yaml:3:13: token_file: give token or token_file, not both'],
  },
  {
    title: 'a bad token in its file',
    yaml: `server: h\ntoken_file: ./bad\n${ssh}`,
    problems: [`f.yaml:2:13: token_file: ${wrongToken}`],
  },
  {
    title: 'a bad pin',
    yaml: `${base}server_pin: x\n${ssh}`,
    problems: ['f.yaml:3:13: server_pin: expected a pin: 43 characters of base64url or 64 of hex, found "x"'],
  },
  {
    title: 'pin and roots',
    yaml: `${base}server_pin: ${pin}\nsystem_roots: true\n${ssh}`,
    problems: ['f.yaml:3:13: server_pin: give one of server_pin, ca_file and system_roots, not several'],
  },
  {
    title: 'a ca that is not there',
    yaml: `${base}ca_file: ./nowhere\n${ssh}`,
    problems: ['f.yaml:3:10: ca_file: no such file: FOLDER/nowhere'],
  },
  {
    title: 'a ca that is none',
    yaml: `${base}ca_file: ./token\n${ssh}`,
    problems: ['f.yaml:3:10: ca_file: expected certificates in PEM'],
  },
  {
    title: 'a transport that comes later',
    yaml: `${base}transport: wss\n${ssh}`,
    problems: ['f.yaml:3:12: transport: expected one of auto, quic, kcp, tls, found "wss"'],
  },
  {
    title: 'a proxy without type',
    yaml: `${base}proxies:\n  ssh: { local_port: 22 }`,
    problems: ['f.yaml:4:3: proxies.ssh.type: expected one of tcp, udp, found nothing'],
  },
  {
    title: 'a proxy without port',
    yaml: `${base}proxies:\n  ssh: { type: tcp }`,
    problems: [`f.yaml:4:3: proxies.ssh.local_port: ${portText}, found nothing`],
  },
  {
    title: 'a proxy of type http',
    yaml: `${base}proxies:\n  web: { type: http, local_port: 80 }`,
    problems: ['f.yaml:4:16: proxies.web.type: expected one of tcp, udp, found "http"'],
  },
  {
    title: 'a proxy name with a space',
    yaml: `${base}proxies:\n  "a b": { type: tcp, local_port: 80 }`,
    problems: ['f.yaml:4:3: proxies.a b: expected a name of 1 to 64 characters out of a-z A-Z 0-9 . _ -'],
  },
  {
    title: 'a proxy name twice',
    yaml: `${base}${ssh}  ssh: { type: tcp, local_port: 23 }`,
    problems: ['f.yaml:5:3: ssh: this name is here twice'],
  },
  {
    title: 'a public port twice',
    yaml: `${base}proxies:\n  a: { type: tcp, local_port: 1, remote_port: 20001 }\n  b: { type: tcp, local_port: 2, remote_port: 20001 }`,
    problems: ['f.yaml:5:47: proxies.b.remote_port: tcp port 20001 of the server is taken by a above'],
  },
  {
    title: 'an unknown key of a proxy',
    yaml: `${base}proxies:\n  a: { type: tcp, local_prot: 1 }`,
    problems: [
      'f.yaml:4:3: proxies.a.local_port: expected a port from 1 to 65535, found nothing',
      'f.yaml:4:19: proxies.a.local_prot: unknown key; did you mean local_port?',
    ],
  },
  {
    title: 'visitors that are no network',
    yaml: `${base}proxies:\n  a: { type: tcp, local_port: 1, allow: [10.0.0.0/33] }`,
    problems: [
      'f.yaml:4:42: proxies.a.allow[0]: expected an IP address or a range such as 10.0.0.0/8, found "10.0.0.0/33"',
    ],
  },
  {
    title: 'more ranges than a registration carries',
    yaml: `${base}proxies:\n  a: { type: tcp, local_port: 1, allow: [${Array(200).fill('::1')}], deny: [${Array(57).fill('::2')}] }`,
    problems: ['f.yaml:4:3: proxies.a: allow and deny have 257 ranges, at most 256 may stand in both together'],
  },
  {
    title: 'yes instead of true',
    yaml: `${base}proxies:\n  a: { type: tcp, local_port: 1, no_delay: yes }`,
    problems: ['f.yaml:4:44: proxies.a.no_delay: expected true or false, found "yes"'],
  },
]

function run(title: string, load: typeof loadServer | typeof loadClient, cases: readonly Case[]) {
  for (const { title: what, yaml, env, flags, problems } of cases) {
    test(`${title}: ${what} is named`, (t) => {
      const folder = testFolder(t)
      folder.write('token', other)
      folder.write('bad', 'hunter2')
      const file = yaml === undefined ? undefined : folder.write('f.yaml', yaml)
      const error = t.throws(() => load({ file, env: env ?? {}, flags: flags ?? [] }))
      t.true(isPetrelError(error, 'config_invalid'))
      const lines = error?.message
        .split('\n')
        .map((line) => line.replace(`${folder.path}/f.yaml`, 'f.yaml').replace(folder.path, 'FOLDER'))
      t.deepEqual(lines?.sort(), [...problems].sort())
      t.false(error?.message.includes('hunter2'))
    })
  }
}

run('server', loadServer, serverCases)
run('client', loadClient, clientCases)

test('a file that is not there is one problem', (t) => {
  const error = t.throws(() => loadServer({ file: '/nowhere/server.yaml', env: {} }))
  t.is(error?.message, '/nowhere/server.yaml: no such file')
})
