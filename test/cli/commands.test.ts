import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { checkToken, makeToken } from '../../src/base/token.js'
import { testFolder } from '../config/folder.js'
import { runPetrel } from './petrel.js'

const joinString = () => `petrel://tunnel.example.com:9000#${makeToken()}.${Buffer.alloc(32, 1).toString('base64url')}`

/** Standard input stays a pipe that petrel takes for a terminal: what is written to it are keys. */
const atTerminal = (home: string) => ({
  home,
  env: { NODE_OPTIONS: '--import=data:text/javascript,process.stdin.isTTY=true' },
})

test.serial('token prints one token and nothing else', async (t) => {
  const { code, stdout } = await runPetrel(t, ['token'], { home: testFolder(t).path })
  t.is(code, 0)
  t.notThrows(() => checkToken(stdout.trimEnd()))
})

test.serial('version says what this installation can do', async (t) => {
  const { code, stdout } = await runPetrel(t, ['version'], { home: testFolder(t).path })
  t.is(code, 0)
  t.regex(stdout, /^petrel \d+\.\d+\.\d+\nnode .*\ntransports: .*tls\n/)
})

for (const args of [
  [],
  ['server'],
  ['client'],
  ['tcp'],
  ['udp'],
  ['join'],
  ['token'],
  ['status'],
  ['reload'],
  ['check-config'],
  ['version'],
]) {
  test.serial(`petrel ${[...args, '--help'].join(' ')} ends with 0 and shows how to call it`, async (t) => {
    const { code, stdout } = await runPetrel(t, [...args, '--help'], { home: testFolder(t).path })
    t.is(code, 0)
    t.regex(stdout, new RegExp(`^Usage: petrel ${args.join(' ')}`))
    if (!['token', 'version'].includes(args[0] ?? 'token')) t.regex(stdout, /Examples?:/)
  })
}

test.serial('the help lists the exit codes', async (t) => {
  const { stdout } = await runPetrel(t, ['--help'], { home: testFolder(t).path })
  for (const code of [0, 1, 2, 3, 4, 5, 6]) t.regex(stdout, new RegExp(`^  ${code}  `, 'm'))
})

for (const [title, args, code, message] of [
  ['an unknown command', ['tpc', '22'], 2, /unknown command 'tpc'\n\(Did you mean tcp\?\)/],
  [
    'an unknown flag',
    ['tcp', '22', '--sever', 'h'],
    2,
    /unknown option '--sever'\n\(Did you mean --server\?\)\n\(petrel tcp --help/,
  ],
  ['a command near tcp and help', ['htp', '22'], 2, /unknown command 'htp'\n\(Did you mean tcp\?\)\n\(petrel --help/],
  [
    'http, which is not there',
    ['http', '3000', '--name', 'a'],
    2,
    /HTTP host names are not there yet; `petrel tcp 3000`/,
  ],
  ['tcp without a target', ['tcp'], 2, /missing required argument 'target'\n\(petrel tcp --help/],
  ['tcp before a join', ['tcp', '22'], 2, /run `petrel join`/],
  ['tcp without a port', ['tcp', 'localhost'], 2, /"localhost" names no port: write PORT or HOST:PORT/],
  ['tcp with a port out of range', ['tcp', '70000'], 2, /"70000" names no port/],
  ['a public port that is none', ['tcp', '22', '--remote-port', 'x'], 2, /^petrel: --remote-port: expected a port/m],
  ['a network that is none', ['udp', '22', '--allow', '::1', '--allow', 'x'], 2, /^petrel: --allow: expected an? /m],
  ['a name that is none', ['tcp', '22', '--name', 'a b'], 2, /^petrel: petrel tcp: proxies\.a b: expected /m],
  ['a host that is none', ['tcp', 'a_b!:80', '--name', 'x'], 2, /^petrel: petrel tcp: proxies\.x\.local_host: /m],
  ['a client without configuration', ['client'], 2, /name one with --config/],
  ['a configuration that is not there', ['server', '--config', '/nowhere.yaml'], 2, /\/nowhere.yaml: no such file/],
  ['a join string as an argument', ['join', joinString()], 2, /run `petrel join` and paste it/],
  ['a join string in no file', ['join', 'nope.txt'], 2, /^petrel: no such file: nope\.txt$/m],
  ['an address that is not ours', ['server', '--bind-addr', '203.0.113.1', '--bind-port', '0'], 1, /203\.0\.113\.1/],
] as const) {
  test.serial(`${title} ends with code ${code} and says what to do`, async (t) => {
    const run = await runPetrel(t, args, { home: testFolder(t).path })
    t.is(run.code, code, run.stderr)
    t.regex(run.stderr, message)
    t.notRegex(run.stderr, /ptl_[A-Za-z0-9]{16}|^\s+at /m)
  })
}

for (const [title, args, code, message] of [
  ['of the command line', ['tcp', '22', '--sever', 'h'], 'usage', /unknown option '--sever'/],
  ['of the configuration', ['tcp', '22'], 'config_invalid', /run `petrel join`/],
] as const) {
  test.serial(`with --json an error ${title} is one JSON line`, async (t) => {
    const run = await runPetrel(t, [...args, '--json'], { home: testFolder(t).path })
    t.is(run.code, 2)
    t.is(run.stdout, '')
    const record = JSON.parse(run.stderr)
    t.deepEqual([record.level, record.code], ['error', code])
    t.regex(record.msg, message)
  })
}

test.serial('join takes standard input or a file, keeps it for the owner alone and does not show it', async (t) => {
  const folder = testFolder(t)
  const text = joinString()
  const file = folder.write('join.txt', `${text}\n`)
  for (const [args, input] of [
    [['join'], `${text}\n`],
    [['join', file], ''],
    [['join', '-'], text],
  ] as const) {
    const home = join(folder.path, `home${args.length}${input.length}`)
    const run = await runPetrel(t, args, { home, input })
    t.is(run.code, 0, run.stderr)
    t.regex(run.stdout, /^kept tunnel\.example\.com:9000, its key and token in \S+; nothing was dialled yet\n/)
    t.notRegex(run.stdout + run.stderr, /ptl_/)
    if (process.platform !== 'win32') t.is(statSync(join(home, 'joined')).mode & 0o777, 0o600)
  }
})

for (const [key, byte] of [
  ['Ctrl-C', '\x03'],
  ['Ctrl-D', '\x04'],
] as const) {
  test.serial(`${key} at the prompt of join joins nothing and says so in one line`, async (t) => {
    const { code, stdout, stderr } = await runPetrel(t, ['join'], { ...atTerminal(testFolder(t).path), input: byte })
    t.is(code, 1)
    t.is(stdout, '')
    t.is(stderr, 'join string (not shown): \npetrel join: nothing was joined\n')
  })
}

test.serial('join takes a line from its prompt and does not show it', async (t) => {
  const text = joinString()
  const run = await runPetrel(t, ['join'], { ...atTerminal(testFolder(t).path), input: `${text}\r` })
  t.is(run.code, 0, run.stderr)
  t.regex(run.stdout, /^kept tunnel\.example\.com:9000/)
  t.false((run.stdout + run.stderr).includes(text.slice(-43)))
})

test.serial('a server that was not joined wants a token, and the error names both servers', async (t) => {
  const home = testFolder(t).path
  await runPetrel(t, ['join'], { home, input: joinString() })
  const { code, stderr } = await runPetrel(t, ['tcp', '22', '--server', 'localhost:9000'], { home })
  t.is(code, 2)
  t.regex(stderr, /the joined server is tunnel\.example\.com:9000, and .* not used for localhost:9000: .*--token-file/)
})

test.serial('a join string with an address that nobody named comes with a warning', async (t) => {
  const home = testFolder(t).path
  const { stderr } = await runPetrel(t, ['server', '--print-join'], { home })
  t.regex(
    stderr,
    /^warning: the join string names \S+, .*: clients must reach the server there, else .*--public-host NAME$/m,
  )
  const named = await runPetrel(t, ['server', '--print-join', '--public-host', 'h.example'], { home })
  t.notRegex(named.stderr, /warning/)
})

test.serial('join refuses what is no join string, without repeating it', async (t) => {
  const text = joinString().slice(0, -3)
  const run = await runPetrel(t, ['join'], { home: testFolder(t).path, input: text })
  t.is(run.code, 2)
  t.regex(run.stderr, /this is not a join string/)
  t.notRegex(run.stderr, /ptl_/)
})

test.serial('the join string stays the same and the state is the owner’s alone', async (t) => {
  const home = testFolder(t).path
  const print = () => runPetrel(t, ['server', '--print-join', '--public-host', 'h.example'], { home })
  const first = await print()
  t.is(first.code, 0, first.stderr)
  t.regex(first.stdout, /^petrel:\/\/h\.example:9000#ptl_[\w-]{48}\.[\w-]{43}\n$/)
  t.is((await print()).stdout, first.stdout)
  if (process.platform === 'win32') return
  for (const name of ['server.pem', 'server.token']) t.is(statSync(join(home, name)).mode & 0o777, 0o600)
})

test.serial('check-config is content with the samples and names what is wrong elsewhere', async (t) => {
  const folder = testFolder(t)
  const good = await runPetrel(t, ['check-config', 'configs/server.yaml'], { home: folder.path })
  t.is(good.code, 0, good.stderr)
  t.regex(good.stdout, /a server on 0\.0\.0\.0:9000 for 0 allowed clients, in order/)
  const unjoined = await runPetrel(t, ['check-config', 'configs/client.yaml'], { home: folder.path })
  t.is(unjoined.code, 0, unjoined.stderr)
  t.regex(unjoined.stderr, /^warning: token: missing: run `petrel join`/)
  const empty = await runPetrel(t, ['check-config', folder.write('empty.yaml', '')], { home: folder.path })
  t.regex(empty.stderr, /empty\.yaml: its keys do not tell the side, taken as a server's; --as client/)
  writeFileSync(join(folder.path, 'token'), makeToken(), { mode: 0o644 })
  const client = folder.write(
    'client.yaml',
    'server: h\ntoken_file: ./token\nproxies: { a: { type: tcp, local_port: 1 } }\n',
  )
  const warned = await runPetrel(t, ['check-config', client], { home: folder.path })
  t.is(warned.code, 0, warned.stderr)
  t.regex(warned.stdout, /a client of h:9000 with 1 proxy, in order/)
  if (process.platform !== 'win32') t.regex(warned.stderr, /can be read by others/)
  const doubled = folder.write('doubled.yaml', 'server: h\nproxies: {}\nproxies: {}\n')
  const twice = await runPetrel(t, ['check-config', doubled], { home: folder.path })
  t.regex(twice.stderr, /doubled\.yaml:3:1: proxies: this name is here twice/)
  const bad = folder.write('bad.yaml', 'bind_prot: 1\nbind_addr: x\n')
  const wrong = await runPetrel(t, ['check-config', bad], { home: folder.path })
  t.is(wrong.code, 2)
  t.regex(
    wrong.stderr,
    /bad\.yaml:1:1: bind_prot: unknown key; did you mean bind_port\?\n.*bad\.yaml:2:12: bind_addr: expected/,
  )
})
