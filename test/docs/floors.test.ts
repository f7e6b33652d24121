// No audit service is asked: the oldest versions that may be locked stand here, reviewed by hand when a dependency
// changes. Below each of them lies a published vulnerability or a flaw that we measured.

import { existsSync, readFileSync } from 'node:fs'
import test from 'ava'

const crateFloors: Readonly<Record<string, string>> = {
  'quinn-proto': '0.11.18',
  'noq-proto': '1.4.0',
  quiche: '0.29.3',
  rustls: '0.23.46',
  'rustls-webpki': '0.103.13',
  yamux: '0.13.10',
  h2: '0.4.16',
  bytes: '1.11.1',
  ring: '0.17.12',
  slab: '0.4.11',
  tokio: '1.44.2',
}

const packageFloors: Readonly<Record<string, string>> = {
  ws: '8.21.0',
  undici: '7.18.2',
}

/** Carries an old quiche: a peer in tests, never in what is shipped. */
const testsOnly = ['@matrixai/quic']

interface Locked {
  readonly version: string
  readonly dev?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const numbers = (version: string) => (/^\d+\.\d+\.\d+/.exec(version)?.[0] ?? '0.0.0').split('.').map(Number)

function isBelow(version: string, floor: string): boolean {
  const [a, b] = [numbers(version), numbers(floor)]
  for (const [index, part] of b.entries()) if (a[index] !== part) return (a[index] ?? 0) < part
  return false
}

const lockedPackages = () =>
  (JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> }).packages

function lockedCrates(): { readonly name: string; readonly version: string }[] {
  const text = existsSync('native/Cargo.lock') ? readFileSync('native/Cargo.lock', 'utf8') : ''
  return [...text.matchAll(/^name = "(.+)"\nversion = "(.+)"$/gm)].map(([, name = '', version = '']) => ({
    name,
    version,
  }))
}

test('no locked crate is below its floor', (t) => {
  const crates = lockedCrates()
  t.true(crates.some(({ name }) => name === 'noq-proto'))
  const low = crates.filter(({ name, version }) => isBelow(version, crateFloors[name] ?? '0.0.0'))
  t.deepEqual(low, [])
})

test('no locked package is below its floor', (t) => {
  const low = Object.entries(lockedPackages()).filter(([path, { version }]) => {
    const name = path.split('node_modules/').at(-1) ?? ''
    return isBelow(version ?? '0.0.0', packageFloors[name] ?? '0.0.0')
  })
  t.deepEqual(low, [])
})

test('what is for tests only never ships', (t) => {
  for (const name of testsOnly) t.true(lockedPackages()[`node_modules/${name}`]?.dev, name)
})

test('the lock file names the packages of every platform, since npm ci refuses it otherwise', (t) => {
  const packages = lockedPackages()
  const missing = Object.values(packages)
    .flatMap(({ optionalDependencies }) => Object.keys(optionalDependencies ?? {}))
    .filter((name) => packages[`node_modules/${name}`] === undefined)
  t.deepEqual(missing, [])
})

test('dependencies are pinned to one version each', (t) => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
    string,
    Record<string, string>
  >
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    t.regex(version, /^\d+\.\d+\.\d+$/, name)
  }
})

test('versions compare by number', (t) => {
  t.true(isBelow('0.23.9', '0.23.46'))
  t.true(isBelow('1.3.99', '1.4.0'))
  t.false(isBelow('0.103.13', '0.103.13'))
  t.false(isBelow('2.0.0-rc.1', '1.44.2'))
})
