// `petrel client`: serves the proxies of a configuration file.

import { realpathSync } from 'node:fs'
import type { Command } from 'commander'
import { PetrelError } from '../../base/errors.js'
import {
  configFile,
  type LogFlags,
  logValues,
  type PathFlags,
  pathValues,
  surroundings,
  textValue,
  withLogFlags,
  withPathFlags,
} from '../flags.js'
import { commandId, loadClientHere, serve } from '../serve.js'

interface ClientFlags extends LogFlags, PathFlags {
  readonly config?: string
  readonly server?: string
  readonly tokenFile?: string
  readonly transport?: string
}

export function addClientCommand(program: Command): void {
  const command = program
    .command('client')
    .summary('make the services of a configuration file reachable')
    .description(
      'Runs beside the services. Dials the server, registers every proxy of the file, and comes back by itself.',
    )
    .option('-c, --config <file>', 'client.yaml; else $PETREL_CONFIG, else the one in the folder of petrel')
    .option('--server <host:port>', 'the server to dial')
    .option('--token-file <file>', 'the token')
    .option('--transport <name>', 'auto, quic, kcp or tls')
  withLogFlags(withPathFlags(command))
    .addHelpText(
      'after',
      `
Examples:
  petrel client --config client.yaml
  petrel client --config client.yaml --transport tls   where UDP is blocked`,
    )
    .action((flags: ClientFlags) => runClient(flags))
}

async function runClient(flags: ClientFlags): Promise<void> {
  const around = surroundings()
  const file = configFile('client', flags.config, around)
  if (file === undefined) {
    throw new PetrelError(
      'config_invalid',
      'config',
      'no configuration: name one with --config (configs/client.yaml shows every key), or use `petrel tcp PORT`',
    )
  }
  const values = [
    ...textValue('server', '--server', flags.server),
    ...textValue('token_file', '--token-file', flags.tokenFile),
    ...textValue('transport', '--transport', flags.transport),
    ...pathValues(flags),
    ...logValues(flags),
  ]
  const settings = loadClientHere(file, values, around)
  await serve(settings, commandId(around, `client ${realpathSync(file)}`), around)
}
