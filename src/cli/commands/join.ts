// `petrel join`: takes the server's join string from a prompt, from standard input or from a file, and keeps it.

import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import { PetrelError } from '../../base/errors.js'
import { parseJoin } from '../../config/join-string.js'
import { writeJoined } from '../../config/joined.js'
import { warnWhenOpen } from '../../config/secrets.js'
import { formatAddress } from '../../transport/address.js'
import { exitCodes } from '../exit.js'
import { surroundings } from '../flags.js'

export function addJoinCommand(program: Command): void {
  program
    .command('join [file]')
    .summary('remember a server: its address, its key and the token')
    .description(
      'Reads the join string that `petrel server` printed: from a prompt, from standard input, or from a file.\nIt is a secret, so it is never an argument: other users of this machine see those.',
    )
    .addHelpText(
      'after',
      `
Examples:
  petrel join                paste the join string, then Enter
  petrel join join.txt       from a file
  ssh server petrel server --print-join | petrel join`,
    )
    .action((file: string | undefined) => join(file))
}

async function join(file: string | undefined): Promise<void> {
  if (file?.startsWith('petrel:')) {
    throw new PetrelError(
      'config_invalid',
      'config',
      'a join string is a secret and arguments are not: run `petrel join` and paste it, or name a file that holds it',
    )
  }
  const given = await joinText(file)
  if (given === undefined) {
    console.error('petrel join: nothing was joined')
    process.exitCode = exitCodes.failure
    return
  }
  const joined = parseJoin(given)
  const kept = writeJoined(surroundings().folders, joined)
  console.log(`kept ${formatAddress(joined.server)}, its key and token in ${kept}; nothing was dialled yet`)
  console.log('now, for instance: petrel tcp 22')
}

/** Undefined: the prompt was left with Ctrl-C or Ctrl-D. */
async function joinText(file: string | undefined): Promise<string | undefined> {
  if (file !== undefined && file !== '-') return readFile(file)
  return process.stdin.isTTY === true ? ask() : text(process.stdin)
}

/** One line that is not shown; undefined when the prompt is closed before its end. */
async function ask(): Promise<string | undefined> {
  process.stderr.write('join string (not shown): ')
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const prompt = createInterface({ input: process.stdin, output: silent, terminal: true })
  try {
    return await new Promise((resolve) => {
      prompt.once('line', resolve)
      prompt.once('close', () => resolve(undefined))
    })
  } finally {
    prompt.close()
    process.stderr.write('\n')
  }
}

function readFile(file: string): string {
  try {
    const content = readFileSync(file, 'utf8')
    const warnings: string[] = []
    warnWhenOpen(warnings, file)
    for (const warning of warnings) console.error(warning)
    return content
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? `no such file: ${file}` : `cannot read ${file}: ${message}`
    throw new PetrelError('config_invalid', 'config', why, { cause })
  }
}
