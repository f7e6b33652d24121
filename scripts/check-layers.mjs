// Holds the import graph: floors import downwards only. The table is that of the design, with what it left open:
// config/ makes the options of server/ and client/, so it sees their types; cli/ puts transports, options and
// secrets together, so it sees the floors that hold them. Types cost nothing at run time and say so (`types`).

import { readFileSync } from 'node:fs'
import { dirname, posix, sep } from 'node:path'
import { inRoot } from './steps/run.mjs'
import { filesBelow } from './steps/stamp.mjs'

/** Per floor: floors or files that it may import, and those of which it may import types only. */
const floors = {
  base: { imports: [], types: [] },
  wire: { imports: ['base'], types: [] },
  transport: { imports: ['base'], types: [] },
  control: { imports: ['base', 'wire'], types: ['transport/transport.ts'] },
  // What the addon alone can ask of a TCP socket.
  proxy: { imports: ['base', 'wire', 'transport/tcp-socket.ts'], types: ['transport/transport.ts'] },
  session: { imports: ['base', 'wire', 'control'], types: ['transport/transport.ts'] },
  server: { imports: ['base', 'wire', 'transport', 'control', 'proxy', 'session'], types: [] },
  client: { imports: ['base', 'wire', 'transport', 'control', 'proxy', 'session'], types: [] },
  config: {
    imports: ['base', 'transport/address.ts'],
    types: ['proxy/proxy.ts', 'transport/transport.ts', 'server/options.ts', 'client/options.ts'],
  },
  cli: {
    imports: [
      ...['base', 'config', 'server', 'client', 'transport/address.ts', 'transport/index.ts'],
      // To know beforehand whether quic and kcp can be used here.
      'transport/native/binding.ts',
    ],
    types: ['proxy/proxy.ts', 'transport/transport.ts'],
  },
}

/** Per crate: the crates of ours that it may use. netlab and fuzz are for tests, so anybody may have them there. */
const crates = {
  streams: [],
  congestion: [],
  'kcp-proto': [],
  redundancy: [],
  socket: [],
  link: ['streams'],
  quic: ['link', 'streams', 'congestion', 'redundancy'],
  kcp: ['link', 'streams', 'congestion', 'redundancy', 'kcp-proto'],
  engine: ['link', 'quic', 'kcp', 'streams', 'socket'],
  netlab: [],
  fuzz: [],
  visits: [],
  node: ['engine'],
}

const problems = [...filesBelow('src', (path) => path.endsWith('.ts')).flatMap(checkSource), ...checkCrates()]
for (const problem of problems) console.error(problem)
console.log(problems.length === 0 ? 'layers: in order' : `layers: ${problems.length} imports in the wrong direction`)
process.exitCode = problems.length === 0 ? 0 : 1

function checkSource(path) {
  const from = path.split(sep).join('/').slice('src/'.length)
  const floor = from.split('/')[0]
  if (from === 'index.ts') return []
  if (floors[floor] === undefined) return [`${path}: no floor of this name`]
  return importsOf(readFileSync(inRoot(path), 'utf8')).flatMap(({ specifier, types }) => {
    if (!specifier.startsWith('.')) return []
    const to = posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts')
    if (to.startsWith('../')) return [`${path}: imports ${specifier}, which is outside src/`]
    const { imports, types: typesOnly } = floors[floor]
    const holds = (list) => list.some((allowed) => to === allowed || to.startsWith(`${allowed}/`))
    if (to.startsWith(`${floor}/`) || holds(imports) || (types && holds(typesOnly))) return []
    return [`${path}: ${floor}/ may not import ${to}${holds(typesOnly) ? ' but its types (import type)' : ''}`]
  })
}

function importsOf(text) {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const statements = [...code.matchAll(/^\s*(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?'([^']+)'/gm)]
  const dynamic = [...code.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g)]
  return [
    ...statements.map(([, type, specifier]) => ({ specifier, types: type !== undefined })),
    ...dynamic.map(([, specifier]) => ({ specifier, types: false })),
  ]
}

function checkCrates() {
  return filesBelow('native/crates', (path) => path.endsWith('Cargo.toml')).flatMap((path) => {
    const name = dirname(path).split(sep).at(-1)
    const allowed = crates[name]
    if (allowed === undefined) return [`${path}: no crate of this name in the table`]
    const sections = readFileSync(inRoot(path), 'utf8').split(/^\[/m)
    return sections
      .filter((section) => /^(target\..*\.)?(dependencies|build-dependencies)/.test(section))
      .flatMap((section) => [...section.matchAll(/^petrel-([\w-]+)\.workspace = true$/gm)])
      .map(([, target]) => target)
      .filter((target) => !allowed.includes(target))
      .map((target) => `${path}: ${name} may not use ${target}`)
  })
}
