// The command line as a whole: every command, and how an error becomes a sentence and an exit code.

import { Command, CommanderError } from 'commander'
import { isPetrelError } from '../base/errors.js'
import { addCheckConfigCommand } from './commands/check-config.js'
import { addClientCommand } from './commands/client.js'
import { addDemoCommand } from './commands/demo.js'
import { addExposeCommand } from './commands/expose.js'
import { addJoinCommand } from './commands/join.js'
import { addServerCommand } from './commands/server.js'
import { addSmallCommands } from './commands/small.js'
import { exitCodeOf, exitCodes, exitCodesHelp } from './exit.js'
import { redact } from './redact.js'
import { version } from './version.js'

function makeProgram(): Command {
  const program = new Command('petrel')
    .description('A self-hosted reverse tunnel for links that lose packets.')
    .version(version(), '-V, --version', 'print the version')
    .showHelpAfterError('(petrel --help shows every command)')
    .exitOverride()
  addServerCommand(program)
  addJoinCommand(program)
  addExposeCommand(program, 'tcp')
  addExposeCommand(program, 'udp')
  addClientCommand(program)
  addCheckConfigCommand(program)
  addDemoCommand(program)
  addSmallCommands(program)
  return program.addHelpText(
    'after',
    `
On the public host:   petrel server
On the other one:     petrel join     (paste what the server printed)
                      petrel tcp 22   (or: petrel udp 7777)
To see it work here:  petrel demo
${exitCodesHelp}`,
  )
}

/** Runs one command line and returns the exit code. Every error ends here, as one sentence or several. */
export async function runProgram(args: readonly string[]): Promise<number> {
  try {
    await makeProgram().parseAsync(args, { from: 'user' })
    return Number(process.exitCode ?? exitCodes.ok)
  } catch (error) {
    // Commander has said it already; help and version are no failures.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.configuration
    const message =
      error instanceof Error ? (isPetrelError(error) ? error.message : (error.stack ?? error.message)) : String(error)
    console.error(
      message
        .split('\n')
        .map((line) => `petrel: ${redact(line)}`)
        .join('\n'),
    )
    return exitCodeOf(error)
  }
}
