// `petrel reload`: the running servers of this user read their configuration again, as on SIGHUP, and say how it went.

import type { Command } from 'commander'
import { z } from 'zod'
import { type ErrorCode, PetrelError } from '../../base/errors.js'
import { printable } from '../../base/printable.js'
import { surroundings } from '../flags.js'
import { askRunning, nobody } from '../local/running.js'

interface ReloadFlags {
  readonly json?: boolean
}

const reloadAnswer = z.object({
  reload: z.object({ taken: z.boolean(), text: z.string(), code: z.string().optional() }),
})

export function addReloadCommand(program: Command): void {
  program
    .command('reload')
    .summary('have the running servers read their configuration again')
    .description(
      'Each server of this user that runs here takes its new configuration whole, or keeps the old one and says why;\nthen this command does not end with 0. A client reads its configuration when it starts.',
    )
    .option('--json', 'JSON lines, one for each server that took it')
    .addHelpText('after', '\nExample:\n  petrel reload')
    .action((flags: ReloadFlags) => reload(flags))
}

async function reload({ json }: ReloadFlags): Promise<void> {
  const { folders } = surroundings()
  const { told, silent } = await askRunning(folders, { request: 'reload', schema: reloadAnswer, role: 'server' })
  if (told.length + silent.length === 0) throw nobody(folders, 'server')
  const failed: { code: ErrorCode; text: string }[] = silent.map(({ error }) => ({
    code: error.code,
    text: error.message,
  }))
  for (const { place, answer } of told) {
    const { taken, text, code } = answer.reload
    if (!taken) failed.push({ code: code as ErrorCode, text: `server, pid ${place.pid}: ${text}` })
    else if (json) console.log(JSON.stringify({ event: 'reloaded', pid: place.pid, text }))
    else console.log(printable(`server, pid ${place.pid}: ${text}`))
  }
  const [first] = failed
  if (first === undefined) return
  const lines = failed.flatMap(({ text }) => text.split('\n')).map(printable)
  throw new PetrelError(first.code, 'us', lines.join('\n'))
}
