import test from 'ava'
import { testFolder } from '../../config/folder.js'
import { runPetrel, startPetrel } from '../petrel.js'

/** Every check takes a second at least, so that a signal finds the next one running. */
const slowCheck = ['demo', '--check', '--transport', 'tls', '--rtt', '1000']

test.serial(
  'demo --check carries everything over every transport and over auto, and says so line by line',
  async (t) => {
    const run = await runPetrel(t, ['demo', '--check', '--rtt', '20'], { home: testFolder(t).path })
    t.is(run.code, 0, run.stdout + run.stderr)
    const transports = [...run.stdout.matchAll(/^over (\w+),/gm)].map(([, name]) => name)
    t.true(transports.includes('tls') && transports.includes('auto'))
    t.regex(run.stdout, /^over auto, .*: (quic|kcp|tls) came first$/m)
    for (const name of transports) t.is(run.stdout.match(new RegExp(`^ok +${name} +(tcp|udp): `, 'gm'))?.length, 4)
    t.regex(run.stdout, /delay only/)
    t.regex(run.stdout, /\nall came through\n$/)
  },
)

test.serial('demo --check without the addon checks tls and says what is missing', async (t) => {
  const start = { home: testFolder(t).path, env: { PETREL_NATIVE: 'off' } }
  const run = await runPetrel(t, ['demo', '--check', '--rtt', '0'], start)
  t.is(run.code, 0, run.stdout + run.stderr)
  t.regex(run.stdout, /rustup\.rs/)
  t.notRegex(run.stdout, /^over (quic|kcp)/m)
})

test.serial('demo with a transport that is not there ends with code 6', async (t) => {
  const start = { home: testFolder(t).path, env: { PETREL_NATIVE: 'off' } }
  const run = await runPetrel(t, ['demo', '--check', '--transport', 'quic'], start)
  t.is(run.code, 6)
  t.regex(run.stderr, /use the transport tls/)
})

test.serial('demo stays, shows addresses and a status line, and ends in good order on Ctrl-C', async (t) => {
  const demo = startPetrel(t, ['demo', '--transport', 'tls', '--rtt', '10'], { home: testFolder(t).path })
  const [, address] = await demo.said('stdout', /web site {2}(http:\S+)/)
  await demo.said('stdout', /^tls: rtt .* streams$/m)
  const response = await fetch(`${address}/`)
  t.regex(await response.text(), /It came through/)
  demo.child.kill('SIGINT')
  const { code, stderr } = await demo.ended
  t.is(code, 0, stderr)
})

for (const [signal, after, checks] of [
  ['SIGINT', 'the web page', 1],
  ['SIGINT', 'echo of 256 KiB', 3],
  ['SIGTERM', 'echo of 256 KiB', 3],
] as const) {
  test.serial(`${signal} after ${after} interrupts demo --check: nothing fails, nothing more starts`, async (t) => {
    const demo = startPetrel(t, slowCheck, { home: testFolder(t).path })
    await demo.said('stdout', new RegExp(`^ok .*${after}.*\n`, 'm'))
    demo.child.kill(signal)
    const { code, stdout, stderr } = await demo.ended
    t.is(code, 1)
    t.is(stdout.match(/^(ok|FAILED) /gm)?.join(), Array(checks).fill('ok ').join())
    t.regex(stdout, /\)\nthe check was interrupted\n$/)
    t.is(stderr, `\n${signal}: stopping; once more to end at once\n`)
  })
}

test.serial('a demo --check --json that is interrupted ends with a record of it', async (t) => {
  const demo = startPetrel(t, [...slowCheck, '--json'], { home: testFolder(t).path })
  await demo.said('stdout', /"event":"check",.*\n/)
  demo.child.kill('SIGINT')
  const { code, stdout } = await demo.ended
  t.is(code, 1)
  t.regex(stdout, /\n\{"event":"interrupted","failed":0\}\n$/)
})

test.serial('flags that are out of range are refused', async (t) => {
  for (const flags of [
    ['--rtt', '-1'],
    ['--loss', '51'],
    ['--loss', ''],
    ['--transport', 'wss'],
  ]) {
    const run = await runPetrel(t, ['demo', ...flags], { home: testFolder(t).path })
    t.is(run.code, 2, flags.join(' '))
    t.regex(run.stderr, /expected/)
  }
})

test.serial('demo --check --json prints records and nothing else', async (t) => {
  const args = ['demo', '--check', '--json', '--transport', 'tls', '--rtt', '5']
  const { code, stdout, stderr } = await runPetrel(t, args, { home: testFolder(t).path })
  t.is(code, 0, stderr)
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).event)
  t.deepEqual(events, ['demo', 'check', 'check', 'check', 'check', 'checked'])
})
