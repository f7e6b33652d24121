// `petrel tcp 22` and `petrel udp 7777`: one service, no file.

import type { Command } from 'commander'
import { PetrelError } from '../../base/errors.js'
import { defaults } from '../../base/limits.js'
import type { FlagValue } from '../../config/read.js'
import type { ProxyKind } from '../../proxy/proxy.js'
import { formatAddress, parseAddress } from '../../transport/address.js'
import type { Address } from '../../transport/transport.js'
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

interface ExposeFlags extends LogFlags, PathFlags {
  readonly config?: string
  readonly server?: string
  readonly tokenFile?: string
  readonly transport?: string
  readonly remotePort?: string
  readonly name?: string
  readonly bindAddr?: string
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
  readonly proxyProtocol?: boolean
}

const gather = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value]

export function addExposeCommand(program: Command, type: ProxyKind): void {
  const example = type === 'tcp' ? 22 : 7777
  const command = program
    .command(`${type} <target>`)
    .summary(`make one local ${type.toUpperCase()} service reachable`)
    .description(
      `Makes a ${type.toUpperCase()} service reachable: a port of this machine, or host:port beside it.\nAfter \`petrel join\` nothing else is needed.`,
    )
    .option('--remote-port <port>', 'the public port; else a free one of the server')
    .option('--server <host:port>', 'the server to dial; else the joined one')
    .option('--token-file <file>', 'the token; else that of the joined server, or $PETREL_TOKEN')
    .option('--transport <name>', 'quic, kcp or tls; else auto: whichever gets through first')
    .option('--name <name>', 'the proxy’s name; else made from the target')
    .option('--bind-addr <ip>', 'the public side’s address on the server, for instance 127.0.0.1')
    .option('--allow <network>', 'visitors that may come; may be given several times', gather)
    .option('--deny <network>', 'visitors that may not; may be given several times', gather)
    .option('-c, --config <file>', 'a client.yaml for everything but the proxies')
  if (type === 'tcp') command.option('--proxy-protocol', 'tell the service the visitor’s address (PROXY protocol v2)')
  withLogFlags(withPathFlags(command))
    .addHelpText(
      'after',
      `
Examples:
  petrel ${type} ${example}                       on any free public port
  petrel ${type} ${example} --remote-port 2${String(example).padStart(4, '0')}   on this one
  petrel ${type} 10.0.0.5:${example}              a service on another machine of this network`,
    )
    .action((target: string, flags: ExposeFlags) => expose(type, target, flags))
}

async function expose(type: ProxyKind, target: string, flags: ExposeFlags): Promise<void> {
  const around = surroundings()
  const service = serviceOf(target)
  const id = commandId(around, wish(type, service, flags))
  // Names are unique on the server, and other installations have a port 22, too.
  const name = flags.name ?? `${type}-${service.port}-${Buffer.from(id).toString('hex', 0, 3)}`
  const of = (key: string, flag: string, value: unknown): FlagValue[] =>
    value === undefined ? [] : [{ path: ['proxies', name, key], flag, value }]
  const proxy = { type, local_host: service.host, local_port: service.port }
  const values = [
    { path: 'proxies', value: { [name]: proxy }, flag: `petrel ${type}` },
    ...of('remote_port', '--remote-port', flags.remotePort && numberOf(flags.remotePort)),
    ...of('bind_addr', '--bind-addr', flags.bindAddr),
    ...of('allow', '--allow', flags.allow),
    ...of('deny', '--deny', flags.deny),
    ...of('proxy_protocol', '--proxy-protocol', flags.proxyProtocol),
    ...textValue('server', '--server', flags.server),
    ...textValue('token_file', '--token-file', flags.tokenFile),
    ...textValue('transport', '--transport', flags.transport),
    ...pathValues(flags),
    ...logValues(flags),
  ]
  const settings = loadClientHere(configFile('client', flags.config, around), values, around)
  await serve(settings, id, around)
}

/** What makes this another client than the one beside it. Not how it is carried or logged: the same service over another
 *  transport is the same wish. */
const wish = (type: ProxyKind, service: Address, { server, name, remotePort, bindAddr }: ExposeFlags): string =>
  JSON.stringify([type, formatAddress(service), server, name, remotePort && numberOf(remotePort), bindAddr])

const numberOf = (text: string): number | string => (/^\d+$/.test(text) ? Number(text) : text)

/** "22", "host:22", "[::1]:22". */
function serviceOf(target: string): Address {
  const { host } = defaults.client.service
  const address = /^\d+$/.test(target) ? { host, port: Number(target) } : parseAddress(target, 0)
  if (address.port < 1 || address.port > 65_535) {
    throw new PetrelError(
      'config_invalid',
      'config',
      `"${target}" names no port: write PORT or HOST:PORT, port 1 to 65535`,
    )
  }
  return address
}
