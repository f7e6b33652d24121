// The command line as a whole: every command, and how an error becomes a sentence and an exit code.

import { Command, CommanderError } from 'commander'
import { formatRFC3339 } from 'date-fns/formatRFC3339'
import { distance } from 'fastest-levenshtein'
import { isPetrelError } from '../base/errors.js'
import { addCheckConfigCommand } from './commands/check-config.js'
import { addClientCommand } from './commands/client.js'
import { addDemoCommand } from './commands/demo.js'
import { addExposeCommand } from './commands/expose.js'
import { addJoinCommand } from './commands/join.js'
import { addReloadCommand } from './commands/reload.js'
import { addServerCommand } from './commands/server.js'
import { addSmallCommands } from './commands/small.js'
import { addStatusCommand } from './commands/status.js'
import { exitCodeOf, exitCodes, exitCodesHelp } from './exit.js'
import { redact } from './redact.js'
import { version } from './version.js'

/** json: errors of the command line are the caller's to tell. */
function makeProgram(json: boolean): Command {
  const program = new Command('petrel')
    .description('A self-hosted reverse tunnel for links that lose packets.')
    .version(version(), '-V, --version', 'print the version')
    .showHelpAfterError('(petrel --help shows every command)')
    .configureOutput(json ? { writeErr: () => {} } : {})
    .exitOverride()
  addServerCommand(program)
  addJoinCommand(program)
  addExposeCommand(program, 'tcp')
  addExposeCommand(program, 'udp')
  addClientCommand(program)
  addStatusCommand(program)
  addReloadCommand(program)
  addCheckConfigCommand(program)
  addDemoCommand(program)
  addSmallCommands(program)
  for (const command of program.commands) command.showHelpAfterError(`(petrel ${command.name()} --help shows its use)`)
  program.on('command:*', ([name = '', target]: string[]) => program.error(unknownCommand(program, name, target)))
  return program.addHelpText(
    'after',
    `
On the public host:   petrel server
On the other one:     petrel join     (paste what the server printed)
                      petrel tcp 22   (or: petrel udp 7777)
How they are doing:   petrel status
To see it work here:  petrel demo
${exitCodesHelp}`,
  )
}

function unknownCommand(program: Command, name: string, target = 'PORT'): string {
  const error = `error: unknown command '${name}'`
  if (['http', 'https', 'web'].includes(name)) {
    return `${error}: HTTP host names are not there yet; \`petrel tcp ${target}\` gives the site a public port of its own`
  }
  const [nearest] = program.commands
    .map((command) => ({ name: command.name(), steps: distance(name, command.name()) }))
    .sort((a, b) => a.steps - b.steps)
  return nearest && nearest.steps <= Math.max(2, Math.floor(nearest.name.length / 2))
    ? `${error}\n(Did you mean ${nearest.name}?)`
    : error
}

/** Runs one command line and returns the exit code. Every error ends here, as one sentence or several. */
export async function runProgram(args: readonly string[]): Promise<number> {
  const json = args.includes('--json')
  try {
    await makeProgram(json).parseAsync(args, { from: 'user' })
    return Number(process.exitCode ?? exitCodes.ok)
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has said it already; help and version are no failures.
      if (error.exitCode === 0) return exitCodes.ok
      if (json) console.error(errorRecord('usage', error.message))
      return exitCodes.configuration
    }
    const message =
      error instanceof Error ? (isPetrelError(error) ? error.message : (error.stack ?? error.message)) : String(error)
    if (json) console.error(errorRecord(isPetrelError(error) ? error.code : 'internal', message))
    else console.error(message.replaceAll(/^/gm, 'petrel: ').split('\n').map(redact).join('\n'))
    return exitCodeOf(error)
  }
}

/** As a line of the log, with which it shares standard error. */
const errorRecord = (code: string, message: string): string =>
  JSON.stringify({ level: 'error', time: formatRFC3339(Date.now(), { fractionDigits: 3 }), code, msg: redact(message) })
