// `petrel server`: loads, makes what is missing, listens, and stays.

import type { Command } from 'commander'
import { PetrelError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { pemPin } from '../../base/pin.js'
import { formatJoin } from '../../config/join-string.js'
import type { FlagValue } from '../../config/read.js'
import { loadServer, type ServerSettings } from '../../config/server.js'
import type { ServerLimits, ServerOptions } from '../../server/options.js'
import { startServer } from '../../server/server.js'
import { formatAddress } from '../../transport/address.js'
import type { Address, Transport } from '../../transport/transport.js'
import { type Identity, publicHost, serverIdentity } from '../first-start.js'
import {
  configFile,
  flagValue,
  type LogFlags,
  logValues,
  type PathFlags,
  pathValues,
  surroundings,
  textValue,
  withLogFlags,
  withPathFlags,
} from '../flags.js'
import { openLocal } from '../local/listen.js'
import { openLog } from '../log.js'
import { reloader } from '../reload.js'
import { onStopSignal } from '../signals.js'
import { describeServer } from '../status/describe.js'
import { chosenTransports } from '../transports.js'

interface ServerFlags extends LogFlags, PathFlags {
  readonly config?: string
  readonly bindAddr?: string
  readonly bindPort?: string
  readonly publicHost?: string
  readonly ports?: string
  readonly tokenFile?: string
  readonly printJoin?: boolean
}

export function addServerCommand(program: Command): void {
  const command = program
    .command('server')
    .summary('accept clients and open public ports for them')
    .description(
      'Runs on the public host. Without any configuration it makes a certificate and a token on its first start,\nkeeps them, and prints the join string for `petrel join`.',
    )
    .option('-c, --config <file>', 'server.yaml; else $PETREL_CONFIG, else the one in the folder of petrel')
    .option('--bind-addr <ip>', 'address to listen on')
    .option('--bind-port <port>', 'port for clients, TCP and UDP')
    .option('--public-host <name>', 'the host that the join string names')
    .option(
      '--ports <start-end>',
      'the ports that clients may ask for and get, both ends included; one port: its number',
    )
    .option('--token-file <file>', 'the token that every client must have')
    .option('--print-join', 'print the join string and end')
  withLogFlags(withPathFlags(command))
    .addHelpText(
      'after',
      `
Examples:
  petrel server                                    make what is missing, print the join string, serve
  petrel server --public-host tunnel.example.com   with the name that clients dial
  petrel server --config server.yaml               every setting in a file; \`petrel reload\` reads it again
  petrel server --print-join                       the join string once more`,
    )
    .action((flags: ServerFlags) => runServer(flags))
}

async function runServer(flags: ServerFlags): Promise<void> {
  const { folders } = surroundings()
  const settings = load(flags)
  const identity = await serverIdentity(settings, folders)
  if (flags.printJoin) {
    if (settings.bind.port === 0) throw noFixedPort()
    printJoin(settings, identity, settings.bind.port)
    return
  }
  const { log, setLevel, forPeople } = await openLog(settings.log)
  for (const warning of settings.warnings) log.warn(warning)
  const { transports, missing } = chosenTransports(settings.transports, {
    ports: { kcp: settings.kcpPort },
    path: settings.path,
  })
  const over = names(transports, settings)
  if (missing !== undefined) log.warn(`${missing.message}; clients can come over ${over}`)

  const options = (now: ServerSettings, who: Identity): ServerOptions => ({
    bind: now.bind,
    transports,
    credentials: who.credentials,
    clients: who.clients,
    ports: now.ports,
    proxyBindAddress: now.proxyBindAddress,
    limits: limitsUnder(settings, now),
    log,
  })
  const server = await startServer(options(settings, identity))
  const reload = reloader({
    server,
    started: settings,
    log,
    load: async () => {
      const now = load(flags)
      const next = options(now, await serverIdentity(now, folders))
      setLevel(now.log.level)
      return { settings: now, options: next }
    },
  })
  // Before anybody hears that it listens: whoever does may send a signal or ask at once.
  process.on('SIGHUP', () => void reload('SIGHUP'))
  const listening = transports.map(({ name }) => name)
  const answers = { status: () => describeServer(server, listening), reload: () => reload('petrel reload') }
  const local = await openLocal('server', answers, folders, log)
  const stopped = new Promise<void>((resolve, reject) => {
    onStopSignal(log, () => server.close(limits.stop.graceMs).then(resolve, reject))
  })
  log.info(
    { address: formatAddress(server.address), transports: listening },
    `listening on ${formatAddress(server.address)} (${over}), public ports ${settings.ports.start} to ${settings.ports.end}`,
  )
  if (identity.freshToken) printJoin(settings, identity, server.address.port)
  else if (forPeople) log.info('`petrel server --print-join` shows the join string for a client')
  await stopped
  local.close()
  log.info('stopped')
}

/** What hangs on a profile waits for the restart with it. */
function limitsUnder(started: ServerSettings, now: ServerSettings): ServerLimits {
  if (now.path.profile === started.path.profile) return now.limits
  const { link, handshakeMs } = started.limits
  return { ...now.limits, link, handshakeMs }
}

const names = (transports: readonly Transport[], { kcpPort }: ServerSettings) =>
  transports.map(({ name }) => (name === 'kcp' && kcpPort !== undefined ? `kcp on port ${kcpPort}` : name)).join(', ')

function load(flags: ServerFlags): ServerSettings {
  const around = surroundings()
  return loadServer({
    file: configFile('server', flags.config, around),
    env: around.env,
    flags: [
      ...textValue('bind_addr', '--bind-addr', flags.bindAddr),
      ...flagValue('bind_port', '--bind-port', flags.bindPort),
      ...textValue('public_host', '--public-host', flags.publicHost),
      ...portRange(flags.ports),
      ...textValue('auth_token_file', '--token-file', flags.tokenFile),
      ...pathValues(flags),
      ...logValues(flags),
    ],
  })
}

function portRange(text: string | undefined): FlagValue[] {
  if (text === undefined) return []
  const [start = '', end = start] = text.split('-')
  return [...flagValue('port_range_start', '--ports', start), ...flagValue('port_range_end', '--ports', end)]
}

function printJoin(settings: ServerSettings, { clients, credentials }: Identity, port: number): void {
  const token = clients.find((client) => client.token !== undefined)?.token
  if (token === undefined) {
    throw new PetrelError('config_invalid', 'config', 'no client of this server has a token: there is no join string')
  }
  const { host, hint } = publicHost(settings)
  const server: Address = { host, port }
  const kcpPort = settings.transports?.includes('kcp') === false ? undefined : settings.kcpPort
  const join = formatJoin({ server, kcpPort, token, pin: pemPin(credentials.certificate) })
  if (settings.log.format === 'json') {
    console.log(JSON.stringify({ event: 'join', join, ...(hint === undefined ? {} : { hint }) }))
    return
  }
  console.log(join)
  console.error('\nThis join string is a secret: it lets a client in. On the client, run `petrel join` and paste it.')
  if (hint !== undefined) console.error(`warning: ${hint}`)
}

const noFixedPort = () =>
  new PetrelError('config_invalid', 'config', 'bind_port is 0: the join string needs the port that clients dial')
