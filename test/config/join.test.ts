import { lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { isPetrelError } from '../../src/base/errors.js'
import { makeToken } from '../../src/base/token.js'
import { loadClient } from '../../src/config/client.js'
import { folders, writeSecret } from '../../src/config/home.js'
import { formatJoin, parseJoin } from '../../src/config/join-string.js'
import { installId, knownPin, readJoined, rememberPin, writeJoined } from '../../src/config/joined.js'
import { token } from '../support/ends.js'
import { testFolder } from './folder.js'

const pin = new Uint8Array(32).fill(9)

test('a join string survives the way there and back', (t) => {
  for (const [server, kcpPort] of [
    [{ host: 'tunnel.example.com', port: 9000 }, undefined],
    [{ host: '2001:db8::1', port: 443 }, 65_535],
    [{ host: '203.0.113.5', port: 1 }, 9001],
  ] as const) {
    const join = { server, kcpPort, token: makeToken(), pin }
    t.deepEqual(parseJoin(`  ${formatJoin(join)}\n`), join)
  }
})

test('what is no join string is refused without a word of it in the message', (t) => {
  const good = formatJoin({ server: { host: 'h', port: 1 }, token: makeToken(), pin })
  for (const text of [
    '',
    'petrel://h:1',
    good.slice(0, -1),
    `${good}x`,
    good.replace('petrel:', 'http:'),
    good.replace('#', '?kcp=#'),
    good.replace('#', '?kcp=0#'),
    good.replace('#', '?kcp=65536#'),
    good.replace('#', '?other=1#'),
    good.replace('ptl_', 'ptl-'),
  ]) {
    const error = t.throws(() => parseJoin(text))
    t.true(isPetrelError(error, 'config_invalid') || isPetrelError(error, 'token_invalid'), text)
    t.false(error?.message.includes(good.slice(15, 40)))
  }
})

test('what a join leaves is found again, and only its owner can read it', (t) => {
  const home = folders({ PETREL_HOME: join(testFolder(t).path, 'new') })
  t.is(readJoined(home), undefined)
  const joined = { server: { host: 'h', port: 1 }, kcpPort: undefined, token: makeToken(), pin }
  const file = writeJoined(home, joined)
  t.deepEqual(readJoined(home), joined)
  if (process.platform !== 'win32') t.is(statSync(file).mode & 0o777, 0o600)
})

test('a join tells where kcp is, and a key of the configuration knows better', (t) => {
  const joined = { server: { host: 'h', port: 1 }, kcpPort: 9001, token: makeToken(), pin }
  const proxies = 'proxies: { a: { type: tcp, local_port: 1 } }'
  const portOf = (keys: string) =>
    loadClient({ file: testFolder(t).write('client.yaml', `${keys}\n${proxies}\n`), env: {}, flags: [], joined })
      .kcpPort
  t.is(portOf(''), 9001)
  t.is(portOf('kcp_port: 9002'), 9002)
  t.is(portOf(`server: other\nserver_pin: ${Buffer.from(pin).toString('base64url')}\ntoken: ${token}`), undefined)
})

test('pins of servers are remembered by address', (t) => {
  const home = folders({ PETREL_HOME: testFolder(t).path })
  t.is(knownPin(home, { host: 'h', port: 1 }), undefined)
  rememberPin(home, { host: 'h', port: 1 }, pin)
  rememberPin(home, { host: '::1', port: 2 }, new Uint8Array(32))
  t.deepEqual(knownPin(home, { host: 'h', port: 1 }), pin)
  t.deepEqual(knownPin(home, { host: '::1', port: 2 }), new Uint8Array(32))
  t.is(knownPin(home, { host: 'h', port: 2 }), undefined)
})

test('an installation keeps its id', (t) => {
  const home = folders({ PETREL_HOME: testFolder(t).path })
  const id = installId(home)
  t.is(id.length, 16)
  t.deepEqual(installId(home), id)
})

test('the folders follow PETREL_HOME, else the XDG specification', (t) => {
  t.deepEqual(folders({ PETREL_HOME: '/p', HOME: '/h' }), { config: '/p', state: '/p' })
  t.deepEqual(folders({ HOME: '/h' }), { config: '/h/.config/petrel', state: '/h/.local/state/petrel' })
  t.deepEqual(folders({ HOME: '/h', XDG_CONFIG_HOME: '/c', XDG_STATE_HOME: '/s' }), {
    config: '/c/petrel',
    state: '/s/petrel',
  })
})

test('a damaged join says what to do', (t) => {
  const folder = testFolder(t)
  folder.write('joined', 'petrel://')
  t.regex(
    t.throws(() => readJoined({ config: folder.path, state: folder.path }))?.message ?? '',
    /run `petrel join` again/,
  )
})

test('a secret never goes through a file or a link that lies where it is about to be written', (t) => {
  const folder = testFolder(t).path
  const file = join(folder, 'server.token')
  const theirs = join(folder, 'theirs')
  writeFileSync(theirs, 'nothing')
  symlinkSync(theirs, `${file}.${process.pid}.new`)
  symlinkSync(theirs, file)
  writeSecret(file, 'secret')
  t.is(readFileSync(theirs, 'utf8'), 'nothing')
  t.true(lstatSync(file).isFile())
  t.is(statSync(file).mode & 0o777, 0o600)
})
