// `petrel server`: loads, makes what is missing, listens, and stays.

import type { Command } from 'commander'
import { limits } from '../../base/limits.js'
import type { FlagValue } from '../../config/read.js'
import { loadServer, type ServerSettings } from '../../config/server.js'
import type { ServerLimits, ServerOptions } from '../../server/options.js'
import { startServer } from '../../server/server.js'
import { formatAddress } from '../../transport/address.js'
import type { Transport } from '../../transport/transport.js'
import { type Identity, serverIdentity } from '../first-start.js'
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
import { joinOffer, printOffer, runningOffer } from '../join-offer.js'
import { openLocal } from '../local/listen.js'
import { openLog } from '../log.js'
import { type Next, reloader } from '../reload.js'
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
    .option('--print-join', 'print the join string, of the server that runs here if one does, and end')
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
    const running = namesServer(flags) ? undefined : await runningOffer(folders)
    printOffer(running ?? joinOffer(settings, identity, settings.bind.port), settings.log.format)
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
  let now: Next = { settings, options: options(settings, identity) }
  const server = await startServer(now.options)
  const reload = reloader({
    server,
    started: settings,
    log,
    load: async () => {
      const next = load(flags)
      const nextOptions = options(next, await serverIdentity(next, folders))
      setLevel(next.log.level)
      return { settings: next, options: nextOptions }
    },
    onTaken: (next) => {
      now = next
    },
  })
  // Before anybody hears that it listens: whoever does may send a signal or ask at once.
  process.on('SIGHUP', () => void reload('SIGHUP'))
  const listening = transports.map(({ name }) => name)
  const answers = {
    status: () => describeServer(server, listening),
    reload: () => reload('petrel reload'),
    join: () => joinOffer(now.settings, now.options, server.address.port),
  }
  const local = await openLocal('server', answers, folders, log)
  const stopped = new Promise<void>((resolve, reject) => {
    onStopSignal(log, () => server.close(limits.stop.graceMs).then(resolve, reject))
  })
  log.info(
    { address: formatAddress(server.address), transports: listening },
    `listening on ${formatAddress(server.address)} (${over}), public ports ${settings.ports.start} to ${settings.ports.end}`,
  )
  if (identity.freshToken) printOffer(joinOffer(settings, identity, server.address.port), settings.log.format)
  else if (forPeople) log.info('`petrel server --print-join` shows the join string for a client')
  await stopped
  local.close()
  log.info('stopped')
}

/** Whether the flags say which server is meant: then it is not the one that runs. */
const namesServer = ({ config, bindAddr, bindPort, publicHost, tokenFile }: ServerFlags) =>
  [config, bindAddr, bindPort, publicHost, tokenFile].some((flag) => flag !== undefined)

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
