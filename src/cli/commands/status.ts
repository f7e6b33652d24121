// `petrel status`: how the running petrels of this user are doing, over their control sockets.

import type { Command } from 'commander'
import { surroundings } from '../flags.js'

interface StatusFlags {
  readonly watch?: boolean
  readonly json?: boolean
}

export function addStatusCommand(program: Command): void {
  program
    .command('status')
    .summary('show how the running petrels are doing')
    .description(
      'Asks every server and client of this user that runs here: links, sessions, proxies, and what was refused, ended\nor dropped. Ends with 1 when none runs, or when one does not answer.',
    )
    .option('--watch', 'show it again each second, until Ctrl-C')
    .option('--json', 'one JSON document; with --watch one line each second')
    .addHelpText(
      'after',
      `
Examples:
  petrel status
  petrel status --watch
  petrel status --json`,
    )
    .action(async ({ watch = false, json = false }: StatusFlags) => {
      // Loaded here alone: what writes durations takes 30 ms, and no other command needs it.
      const show = await import('../status/show.js')
      const options = { json, folders: surroundings().folders }
      await (watch ? show.watch(options) : show.showOnce(options))
    })
}
