// A tunnel of two processes, the real binary in both, from two configuration files as a user writes them.

import type { ExecutionContext } from 'ava'
import type { Relay } from '../../src/cli/demo/relay.js'
import { parseAddress } from '../../src/transport/address.js'
import type { Address } from '../../src/transport/transport.js'
import { type Running, startPetrel } from '../cli/petrel.js'
import { testFolder } from '../config/folder.js'
import { token } from './ends.js'
import { startRelay } from './one-process.js'
import type { LinkName } from './over.js'

export interface TwoProcesses {
  readonly server: Running
  readonly client: Running
  readonly relay: Relay | undefined
  /** Where the server accepts links. */
  readonly listening: Address
  /** Public ports, in the order of the proxies. */
  readonly ports: readonly number[]
}

export interface Proxied {
  readonly type: 'tcp' | 'udp'
  readonly port: number
}

interface Serving {
  readonly msg?: string
  readonly proxies?: readonly { readonly public: string }[]
}

/** Up when it resolves; both are killed when the test ends. rttMs: over a relay with this round trip. through: puts
 *  something of the test's own before the server and resolves with where the client is to dial. */
export async function startTwoProcesses(
  t: ExecutionContext,
  over: LinkName,
  proxies: readonly Proxied[],
  { rttMs, through }: { readonly rttMs?: number; readonly through?: (server: Address) => Promise<Address> } = {},
): Promise<TwoProcesses> {
  const folder = testFolder(t)
  folder.write('token', `${token}\n`)
  const server = startPetrel(t, ['server', '--json', '--config', folder.write('server.yaml', serverYaml)], {
    home: testFolder(t).path,
  })
  const [, listening = ''] = await server.said('stderr', /"address":"([^"]+)"/)
  const target = parseAddress(listening, 0)
  const relay = rttMs === undefined ? undefined : await startRelay(over, target, rttMs)
  t.teardown(() => relay?.close())
  const dialled = (await through?.(target)) ?? relay?.address ?? target
  const config = folder.write('client.yaml', clientYaml(dialled.port, over, proxies))
  const client = startPetrel(t, ['client', '--json', '--config', config], { home: testFolder(t).path })
  const [line] = await client.said('stderr', /^\{.*"msg":"serving".*\}$/m)
  const serving = JSON.parse(line) as Serving
  const ports = (serving.proxies ?? []).map((proxy) => parseAddress(proxy.public, 0).port)
  return { server, client, relay, listening: target, ports }
}

const serverYaml = `bind_addr: 127.0.0.1
bind_port: 0
auth_token_file: ./token
port_range_start: 20000
port_range_end: 30000
`

const clientYaml = (port: number, over: LinkName, proxies: readonly Proxied[]) => `server: 127.0.0.1:${port}
token_file: ./token
transport: ${over}
proxies:
${proxies.map((proxy, n) => `  service-${n}: { type: ${proxy.type}, local_port: ${proxy.port}, remote_port: 0 }`).join('\n')}
`
