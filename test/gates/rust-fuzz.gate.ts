// Ten minutes of fuzzing for each Rust target, as many at once as there are processors. `npm test` runs the same for 20 s each.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { declare } from '../support/over.js'

const seconds = 600
const seed = process.env.PETREL_SEED ?? `${Date.now()}`

/** What cargo needs in its environment here. */
function cargoEnv(): Record<string, string> {
  const { stdout } = spawnSync(process.execPath, ['scripts/steps/cargo-env.mjs'], { encoding: 'utf8' })
  return Object.fromEntries(stdout.split('\n').flatMap((line) => (line.includes('=') ? [line.split(/=(.*)/, 2)] : [])))
}

const fuzzed = [
  { crate: 'petrel-kcp', tests: ['--lib', 'no_bytes_of_a_stranger_or_a_peer_do_harm'], targets: 7 },
  { crate: 'petrel-kcp-proto', tests: ['--test', 'fuzz', 'no_segments_of_a_stranger_do_harm'], targets: 2 },
]

for (const { crate, tests, targets } of fuzzed) {
  declare(
    `${crate}: ${seconds / 60} minutes of fuzzing for each target find nothing`,
    async (t) => {
      const args = ['test', '--locked', '--profile', 'tests', '-p', crate, ...tests, '--', '--nocapture']
      const env = {
        ...process.env,
        ...cargoEnv(),
        PETREL_FUZZ_SECONDS: `${seconds}`,
        PETREL_FUZZ_SEED: seed,
      }
      const cargo = spawn('cargo', args, { cwd: 'native', env, stdio: ['ignore', 'pipe', 'pipe'] })
      let output = ''
      for (const stream of [cargo.stdout, cargo.stderr]) stream.on('data', (bytes) => (output += bytes))
      const [code] = (await once(cargo, 'close')) as [number | null]
      const ran = output.split('\n').filter((line) => line.includes('cases from seed'))
      for (const line of ran) t.log(line)
      t.is(code, 0, output.slice(-20_000))
      t.is(ran.length, targets)
    },
    { programs: ['cargo'], serial: true, timeoutMs: (targets * seconds + 900) * 1_000 },
  )
}
