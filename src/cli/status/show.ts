// What `petrel status` does: asks every running petrel of this user, and shows once or each second what they say.

import { pause } from '../../base/deadline.js'
import { limits } from '../../base/limits.js'
import { printable } from '../../base/printable.js'
import type { Folders } from '../../config/home.js'
import { exitCodes } from '../exit.js'
import { type Asked, askRunning, nobody } from '../local/running.js'
import { type PetrelStatus, statusAnswer } from './document.js'
import { withRates } from './rates.js'
import { report } from './report.js'
import { draw } from './screen.js'

export interface ShowOptions {
  readonly folders: Folders
  readonly json: boolean
}

/** Throws unreachable when none runs; sets the exit code when one does not answer. */
export async function showOnce({ json, folders }: ShowOptions): Promise<void> {
  const look = observer(folders)
  if (isEmpty(await look())) throw nobody(folders)
  await pause(limits.local.rateMs)
  const picture = await look()
  if (isEmpty(picture)) throw nobody(folders)
  console.log(json ? JSON.stringify(record(picture), undefined, 2) : lines(picture).join('\n'))
  if (picture.silent.length > 0) process.exitCode = exitCodes.failure
}

/** Until Ctrl-C, or until nobody reads its output any more. Petrels may come and go meanwhile. */
export async function watch({ json, folders }: ShowOptions): Promise<void> {
  const look = observer(folders)
  const stopping = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort())
  process.stdout.on('error', () => stopping.abort())
  const stopped = new Promise<undefined>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve(undefined))
  })
  let picture: Picture | undefined = await look()
  if (isEmpty(picture)) throw nobody(folders)
  while (picture !== undefined && !stopping.signal.aborted) {
    if (json) console.log(JSON.stringify({ time: new Date().toISOString(), ...record(picture) }))
    else draw(isEmpty(picture) ? [nobody(folders).message] : lines(picture), process.stdout)
    await pause(limits.local.watchMs, stopping.signal)
    picture = await Promise.race([look(), stopped])
  }
}

interface Picture {
  readonly petrels: readonly PetrelStatus[]
  readonly silent: Asked<unknown>['silent']
}

/** Returns a function that asks everybody; rates are those since its last call. */
function observer(folders: Folders): () => Promise<Picture> {
  const rates = withRates()
  return async () => {
    const { told, silent } = await askRunning(folders, { request: 'status', schema: statusAnswer })
    return { petrels: rates(told.map(({ answer }) => answer.status)), silent }
  }
}

const isEmpty = ({ petrels, silent }: Picture): boolean => petrels.length + silent.length === 0

function lines({ petrels, silent }: Picture): string[] {
  const paragraphs = petrels.map(report)
  const others = silent.map(({ place, error }) => printable(`petrel ${place.role}, pid ${place.pid}: ${error.message}`))
  return [...paragraphs, ...(others.length > 0 ? [others] : [])].flatMap((paragraph, index) =>
    index === 0 ? paragraph : ['', ...paragraph],
  )
}

const record = ({ petrels, silent }: Picture) => ({
  petrels,
  silent: silent.map(({ place: { role, pid }, error: { code, message } }) => ({ role, pid, code, message })),
})
