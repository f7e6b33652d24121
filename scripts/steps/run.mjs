// Runs one child process and shows that it lives: a line that changes on a terminal, a line now and then elsewhere.
// The child's output is kept back and shown only when it fails. No dependencies: runs before `npm ci`.

import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const inRoot = (...parts) => join(root, ...parts)

const keptLines = 200
/** How often a log that is no terminal hears of a step that is still running, ms. */
const reminderMs = 15_000

/** A step that did not succeed; `output` holds the end of what the child wrote. */
export class StepFailed extends Error {
  constructor(message, output) {
    super(message)
    this.output = output
  }
}

/** Shows `title` with seconds and a changing detail until stop(outcome) is called. Writes to stderr. */
function showProgress(title) {
  const started = Date.now()
  const live = process.stderr.isTTY === true
  let detail = ''
  const seconds = () => `${Math.round((Date.now() - started) / 1000)} s`
  const line = () => `${title} … ${seconds()}${detail === '' ? '' : `  ${detail}`}`
  const draw = () => {
    if (live) process.stderr.write(`\r\x1b[K${line().slice(0, (process.stderr.columns || 80) - 1)}`)
    else console.error(line())
  }
  if (live) draw()
  else console.error(`${title} …`)
  const timer = setInterval(draw, live ? 250 : reminderMs)
  return {
    detail: (text) => {
      detail = text
    },
    stop: (outcome) => {
      clearInterval(timer)
      if (live) process.stderr.write('\r\x1b[K')
      console.error(`${title}: ${outcome} (${seconds()})`)
    },
  }
}

/**
 * Runs a command in the root of the repository. `onLine(line)` sees each line of output and may return a detail for
 * the progress line. Resolves with the exit code when `mayFail`, else throws StepFailed on any code but 0.
 */
export async function run(title, command, args, { env = {}, cwd = root, onLine, mayFail = false } = {}) {
  const progress = showProgress(title)
  const output = []
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32' && !command.endsWith('.exe'),
  })
  const forward = (signal) => child.kill(signal)
  process.on('SIGTERM', forward)
  process.on('SIGINT', forward)
  for (const stream of [child.stdout, child.stderr]) {
    let rest = ''
    stream.setEncoding('utf8')
    stream.on('data', (text) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        output.push(line)
        if (output.length > keptLines) output.shift()
        const detail = onLine === undefined ? line.trim() : onLine(line)
        if (detail !== undefined) progress.detail(detail)
      }
    })
    stream.on('end', () => rest !== '' && output.push(rest))
  }
  const { code, why } = await new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: 127, why: error.message }))
    child.once('close', (status, signal) => resolve({ code: status ?? 128, why: signal ?? `exit code ${status}` }))
  })
  process.off('SIGTERM', forward)
  process.off('SIGINT', forward)
  progress.stop(code === 0 ? 'done' : why)
  if (code !== 0 && !mayFail) throw new StepFailed(`${title}: ${why}`, output.join('\n'))
  return code
}
