// `petrel check-config FILE`: everything that a start would say of a file, without starting.

import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { parse } from 'yaml'
import { pemPin } from '../../base/pin.js'
import { clientSchema } from '../../config/client-schema.js'
import { keysAt } from '../../config/schema.js'
import { loadServer } from '../../config/server.js'
import { serverSchema } from '../../config/server-schema.js'
import { formatAddress } from '../../transport/address.js'
import { surroundings } from '../flags.js'
import { loadClientHere } from '../serve.js'

export function addCheckConfigCommand(program: Command): void {
  program
    .command('check-config <file>')
    .summary('check a configuration file without starting')
    .description(
      'Names every problem of a server.yaml or client.yaml with its line, and ends with code 2 when there is one.',
    )
    .option('--as <side>', 'server or client; else told by the keys of the file')
    .addHelpText('after', '\nExample:\n  petrel check-config server.yaml')
    .action((file: string, { as }: { as?: string }) => check(file, as ?? sideOf(file)))
}

function check(file: string, side: string): void {
  const around = surroundings()
  const settings =
    side === 'client' ? loadClientHere(file, [], around, { checkOnly: true }) : loadServer({ file, env: around.env })
  for (const warning of settings.warnings) console.error(`warning: ${warning}`)
  if ('proxies' in settings) {
    console.log(
      `${file}: a client of ${formatAddress(settings.server)} with ${count(settings.proxies.length, 'proxy', 'proxies')}, in order`,
    )
    if (settings.credentials === undefined) return
    const pin = pemPin(settings.credentials.certificate).toString('base64url')
    console.log(`certificate_pin for allowed_clients of the server: ${pin}`)
  } else {
    console.log(
      `${file}: a server on ${formatAddress(settings.bind)} for ${count(settings.clients.length, 'allowed client', 'allowed clients')}, in order`,
    )
  }
}

const count = (number: number, one: string, several: string): string => `${number} ${number === 1 ? one : several}`

/** The side of which the file has more keys, said when it is a guess; a file that cannot be read is the loader's to explain. */
function sideOf(file: string): 'server' | 'client' {
  try {
    // A doubled key is a problem that the loader names; it tells the side all the same.
    const keys = Object.keys((parse(readFileSync(file, 'utf8'), { uniqueKeys: false }) ?? {}) as object)
    const of = (schema: typeof serverSchema | typeof clientSchema) =>
      keys.filter((key) => keysAt(schema, []).includes(key)).length
    const [client, server] = [of(clientSchema), of(serverSchema)]
    if (client === server)
      console.error(`${file}: its keys do not tell the side, taken as a server's; --as client checks it as a client's`)
    return client > server ? 'client' : 'server'
  } catch {
    return 'server'
  }
}
