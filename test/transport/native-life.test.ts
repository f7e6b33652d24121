// The addon's life cycle: however a process or a worker ends in the middle of traffic, it ends at once and in its own
// way, never by a signal.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { hasAddon } from '../../src/transport/native/binding.js'

const life = fileURLToPath(new URL('../support/life.js', import.meta.url))
/** Promised is one second; a loaded machine gets five. */
const mostMs = 5_000
const needsAddon = hasAddon() ? test.serial : test.skip

interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
  readonly errors: string
  /** From its word that it ends to its end. */
  readonly ms: number
}

function live(way: string): Promise<End> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [life, way])
    let [output, errors, since] = ['', '', Number.NaN]
    child.stdout.on('data', (text: Buffer) => {
      output += text
      if (output.includes('ending\n') && Number.isNaN(since)) since = performance.now()
    })
    child.stderr.on('data', (text: Buffer) => {
      errors += text
    })
    child.on('close', (code, signal) => resolve({ code, signal, output, errors, ms: performance.now() - since }))
  })
}

needsAddon('a process that has closed everything ends by itself', async (t) => {
  const { code, signal, ms, errors } = await live('close')
  t.deepEqual({ code, signal }, { code: 0, signal: null }, errors)
  t.true(ms < mostMs, `${ms} ms`)
})

needsAddon('process.exit in the middle of traffic ends the process with its code', async (t) => {
  const { code, signal, ms, errors } = await live('exit')
  t.deepEqual({ code, signal }, { code: 7, signal: null }, errors)
  t.true(ms < mostMs, `${ms} ms`)
})

needsAddon('an uncaught exception in the middle of traffic is an ordinary death', async (t) => {
  const { code, signal, ms, errors } = await live('throw')
  t.deepEqual({ code, signal }, { code: 1, signal: null }, errors)
  t.regex(errors, /nobody catches this/)
  t.true(ms < mostMs, `${ms} ms`)
})

needsAddon('a panic of the engine on one link ends that link and no other', async (t) => {
  const { code, signal, output, errors } = await live('panic')
  t.deepEqual({ code, signal }, { code: 0, signal: null }, errors)
  t.regex(output, /^us 2 alive$/m)
})

needsAddon('worker.terminate() in the middle of traffic, 100 times', async (t) => {
  t.timeout(300_000)
  const { code, signal, ms, errors } = await live('terminate')
  t.deepEqual({ code, signal }, { code: 0, signal: null }, errors)
  t.true(ms < mostMs, `${ms} ms`)
})
