// Every command and every file in README.md is run as it stands there. What cannot be as it is on the reader's machine comes from
// the environment: the port, the address and the home. A command that this file does not know fails the test.

import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { type Running, runPetrel, startPetrel } from '../cli/petrel.js'
import { testFolder } from '../config/folder.js'

const readme = readFileSync('README.md', 'utf8')
const blocks = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, text = '']) => text)
const commands = blocks('sh').flatMap((text) => text.trim().split('\n'))
const scripts = JSON.parse(readFileSync('package.json', 'utf8')).scripts as Record<string, string>

interface World {
  readonly home: string
  /** Where the README's files are; commands run here. */
  readonly folder: string
  readonly server: Running
  readonly env: Record<string, string>
  readonly joinString: string
}

/** Address of the server that `petrel server --config server.yaml` started, by folder. */
const fileServer = new Map<string, string>()

type Step = (t: ExecutionContext, world: World, args: readonly string[]) => Promise<void>

const inFolder = (folder: string, args: readonly string[]) =>
  args.map((arg) => (arg.endsWith('.yaml') ? join(folder, arg) : arg))

const ends: Step = async (t, { home, folder, env }, args) => {
  const run = await runPetrel(t, inFolder(folder, args), { home, env })
  t.is(run.code, 0, run.stderr)
}

const servesTheBanner: Step = async (t, { home, folder, env }, args) => {
  const client = startPetrel(t, inFolder(folder, args), { home, env })
  await client.said('stdout', /(public {3}|^)(tcp|udp):\/\/\S+:\d+/)
  client.child.kill('SIGINT')
  const { code, stderr } = await client.ended
  t.is(code, 0, stderr)
}

const script =
  (name: string): Step =>
  async (t) => {
    const file = /^node (\S+)$/.exec(scripts[name] ?? '')?.[1] ?? scripts[name] ?? ''
    t.regex(readFileSync(file, 'utf8'), /./, `npm script ${name}`)
  }

/** In the order of the README; each is the literal line. */
const known: Readonly<Record<string, Step>> = {
  // What these two run after the build is in test/cli/demo; here: that the script is there and is the demo's.
  'npm start': async (t) => {
    t.regex(readFileSync('scripts/start.mjs', 'utf8'), /splice\(2, 0, 'demo'\)/)
    t.is(scripts.start, 'node scripts/start.mjs')
  },
  'npm start -- --check': async (t, world) => ends(t, world, ['demo', '--check']),
  'npm run build': script('build'),
  'npm link': async (t, { folder }) => {
    const env = { ...process.env, npm_config_prefix: join(folder, 'prefix') }
    await promisify(execFile)('npm', ['link', '--ignore-scripts', '--no-audit', '--no-fund'], { env })
    const { stdout } = await promisify(execFile)(join(folder, 'prefix', 'bin', 'petrel'), ['version'])
    t.regex(stdout, /^petrel \d/)
  },
  'petrel version': ends,
  'petrel server --public-host tunnel.example.com': async (t, { joinString }) => {
    t.regex(joinString, /^petrel:\/\/tunnel\.example\.com:\d+#/)
  },
  'petrel join': async (t, { home, joinString }, args) => {
    const input = joinString.replace('tunnel.example.com', '127.0.0.1')
    t.is((await runPetrel(t, args, { home, input })).code, 0)
  },
  'petrel tcp 22': servesTheBanner,
  'petrel udp 7777': servesTheBanner,
  'petrel tcp 22 --remote-port 20022': servesTheBanner,
  'petrel tcp 10.0.0.5:80 --transport tls': servesTheBanner,
  'petrel demo --rtt 600 --loss 10 --check': ends,
  'petrel server --print-join': ends,
  'petrel token > office.token': async (t, { home, folder }) => {
    const { stdout } = await runPetrel(t, ['token'], { home })
    writeFileSync(join(folder, 'office.token'), stdout)
  },
  'chmod 600 office.token': async (t, { folder }) => {
    await promisify(execFile)('chmod', ['600', join(folder, 'office.token')])
    t.pass()
  },
  'petrel check-config server.yaml': ends,
  'petrel check-config client.yaml': ends,
  'petrel server --config server.yaml': async (t, { home, folder }, args) => {
    const env = { PETREL_BIND_ADDR: '127.0.0.1', PETREL_BIND_PORT: '0', PETREL_PROXY_BIND_ADDR: '127.0.0.1' }
    const server = startPetrel(t, inFolder(folder, args), { home, env })
    const [, address = ''] = await server.said('stderr', /"address":"([^"]+)"/)
    fileServer.set(folder, address)
  },
  'petrel client --config client.yaml': async (t, world, args) => {
    const env = { PETREL_SERVER: fileServer.get(world.folder) ?? '' }
    await servesTheBanner(t, { ...world, env }, args)
  },
  'petrel status': ends,
  'petrel status --watch': async (t, { home }, args) => {
    const watch = startPetrel(t, args, { home })
    await watch.said('stdout', /petrel server/)
    watch.child.kill('SIGINT')
    t.is((await watch.ended).code, 0)
  },
  'petrel status --json': async (t, { home }, args) => {
    const { stdout } = await runPetrel(t, args, { home })
    t.true(JSON.parse(stdout).petrels.length > 0)
  },
  'petrel reload': ends,
  'npm test': script('test'),
  'npm run gates': script('gates'),
  'scripts/check': async (t) => {
    t.regex(readFileSync('scripts/check', 'utf8'), /^#!/)
  },
}

test('every command of the README works, in its order', async (t) => {
  t.timeout(180_000)
  t.deepEqual(
    commands.filter((command) => known[command] === undefined),
    [],
  )
  const home = testFolder(t).path
  const folder = testFolder(t).path
  for (const text of blocks('yaml')) {
    const name = /^# (\S+)/.exec(text)?.[1] ?? ''
    t.regex(name, /^(server|client)\.yaml$/)
    writeFileSync(join(folder, name), text, { mode: 0o600 })
  }
  const [serve = ''] = commands.filter((command) => command.startsWith('petrel server'))
  const server = startPetrel(t, serve.split(' ').slice(1), {
    home,
    env: { PETREL_BIND_ADDR: '127.0.0.1', PETREL_BIND_PORT: '0' },
  })
  const [joinString] = await server.said('stdout', /petrel:\/\/\S+(?=\n)/)
  for (const command of commands) {
    t.log(command)
    await known[command]?.(t, { home, folder, server, env: {}, joinString }, command.split(' ').slice(1))
  }
})

test('the files and scripts that the README links to are there', (t) => {
  for (const [, path = ''] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) t.notThrows(() => readFileSync(path), path)
})

test('every dependency stands in the README with its reason', (t) => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
  const packages = Object.keys({ ...dependencies, ...devDependencies })
  const workspace =
    readFileSync('native/Cargo.toml', 'utf8').split('[workspace.dependencies]')[1]?.split(/^\[/m)[0] ?? ''
  const crates = [...workspace.matchAll(/^([\w-]+)\s*=/gm)]
    .map(([, name = '']) => name)
    .filter((name) => !name.startsWith('petrel-'))
  const table = readme.split('### Dependencies')[1] ?? ''
  t.deepEqual(
    [...packages, ...crates].filter((name) => !table.includes(`\`${name}\``)),
    [],
  )
})
