// The join string of a server: from its settings, or from the one that runs here.

import { z } from 'zod'
import { PetrelError } from '../base/errors.js'
import { pemPin } from '../base/pin.js'
import type { Folders } from '../config/home.js'
import { formatJoin } from '../config/join-string.js'
import type { ServerSettings } from '../config/server.js'
import type { ServerOptions } from '../server/options.js'
import { publicHost } from './first-start.js'
import { askRunning } from './local/running.js'

export interface JoinOffer {
  /** A secret: it lets a client in. */
  readonly join: string
  /** What to tell the operator when clients may not reach the address. */
  readonly hint?: string | undefined
}

type Door = Pick<ServerOptions, 'clients' | 'credentials'>

/** port: where clients dial. Throws config_invalid when there is none, or no client with a token. */
export function joinOffer(settings: ServerSettings, { clients, credentials }: Door, port: number): JoinOffer {
  const token = clients.find((client) => client.token !== undefined)?.token
  if (token === undefined) throw unusable('no client of this server has a token: there is no join string')
  if (port === 0) throw unusable('bind_port is 0: the join string needs the port that clients dial')
  const { host, hint } = publicHost(settings)
  const kcpPort = settings.transports?.includes('kcp') === false ? undefined : settings.kcpPort
  const join = formatJoin({ server: { host, port }, kcpPort, token, pin: pemPin(credentials.certificate) })
  return { join, hint }
}

/** What the server of this user that runs here offers, whatever it was started with; undefined: none runs, or it has
 *  nothing to offer. Throws config_invalid when several run. */
export async function runningOffer(folders: Folders): Promise<JoinOffer | undefined> {
  if (process.platform === 'win32') return undefined
  const { told } = await askRunning(folders, { request: 'join', schema: answer, role: 'server' })
  if (told.length > 1) throw unusable(`${told.length} servers run here: say which with --config or --bind-port`)
  return told[0]?.answer.join
}

const answer = z.object({ join: z.object({ join: z.string(), hint: z.string().optional() }) })

/** The string on standard output, advice on standard error. */
export function printOffer({ join, hint }: JoinOffer, format: ServerSettings['log']['format']): void {
  if (format === 'json') {
    console.log(JSON.stringify({ event: 'join', join, hint }))
    return
  }
  console.log(join)
  console.error('\nThis join string is a secret: it lets a client in. On the client, run `petrel join` and paste it.')
  if (hint !== undefined) console.error(`warning: ${hint}`)
}

const unusable = (message: string) => new PetrelError('config_invalid', 'config', message)
