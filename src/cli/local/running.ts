// Every running petrel of this user, asked at once.

import { z } from 'zod'
import { PetrelError } from '../../base/errors.js'
import type { Folders } from '../../config/home.js'
import { ask } from './ask.js'
import { localFolder, type Place, places, type Role } from './folder.js'
import type { Request } from './request.js'

export interface Told<T> {
  readonly place: Place
  readonly answer: T
}

export interface Asked<T> {
  readonly told: readonly Told<T>[]
  /** Those that are there and do not answer as they should, each with why. */
  readonly silent: readonly { readonly place: Place; readonly error: PetrelError }[]
}

export interface Question<T> {
  readonly request: Request
  /** What an answer looks like. */
  readonly schema: z.ZodType<T>
  /** Only those of this role. */
  readonly role?: Role
}

/** Throws config_invalid or unsupported when the folder of the sockets cannot be used. */
export async function askRunning<T>(folders: Folders, { request, schema, role }: Question<T>): Promise<Asked<T>> {
  const asked = places(folders).filter((place) => role === undefined || place.role === role)
  const told: Told<T>[] = []
  const silent: { place: Place; error: PetrelError }[] = []
  await Promise.all(
    asked.map(async (place) => {
      try {
        const said = await ask(place, request)
        if (said !== undefined) told.push({ place, answer: read(said, schema, place) })
      } catch (error) {
        if (!(error instanceof PetrelError)) throw error
        silent.push({ place, error })
      }
    }),
  )
  const byPid = (a: { place: Place }, b: { place: Place }) => a.place.pid - b.place.pid
  return { told: told.sort(byPid), silent: silent.sort(byPid) }
}

function read<T>(text: string, schema: z.ZodType<T>, { pid }: Place): T {
  const said = parse(text)
  const { data, success } = schema.safeParse(said)
  if (success) return data
  const { error } = failure.safeParse(said).data ?? { error: 'it runs another version: start it again with this one' }
  throw new PetrelError('unsupported', 'us', `petrel with pid ${pid} gives no answer that can be read: ${error}`)
}

/** undefined, which no schema takes: no JSON. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What it answers when it cannot do what it was asked for. */
const failure = z.object({ error: z.string() })

/** What to do when none is there. */
export const nobody = (folders: Folders, role?: Role): PetrelError =>
  new PetrelError(
    'unreachable',
    'us',
    `no petrel${role === undefined ? '' : ` ${role}`} of this user is running (looked in ${localFolder(folders)}): start ` +
      (role === 'server' ? '`petrel server`' : '`petrel server`, or `petrel tcp PORT` after `petrel join`'),
  )
