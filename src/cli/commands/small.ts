// The commands that fit on a line: token, version.

import type { Command } from 'commander'
import { makeToken } from '../../base/token.js'
import { installedTransports } from '../transports.js'
import { version } from '../version.js'

export function addSmallCommands(program: Command): void {
  program
    .command('token')
    .summary('make a token')
    .description('Prints a new token: a secret that server and client share. Nothing else is taken as one.')
    .addHelpText('after', '\nExample:\n  petrel token > token && chmod 600 token')
    .action(() => console.log(makeToken()))
  program
    .command('version')
    .summary('print the version, and what this installation can do')
    .action(() => {
      const { transports, missing } = installedTransports()
      console.log(`petrel ${version()}`)
      console.log(`node ${process.versions.node}, ${process.platform}-${process.arch}`)
      console.log(`transports: ${transports.map(({ name }) => name).join(', ')}`)
      if (missing !== undefined) console.log(missing.message)
    })
}
