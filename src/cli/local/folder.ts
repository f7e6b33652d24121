// Where the control sockets of one user's petrels are: a folder that nobody else can enter, in it one socket a process,
// named by role and process id. The folder's mode is the guard: whoever gets at a socket is served.

import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { PetrelError } from '../../base/errors.js'
import type { Folders } from '../../config/home.js'

export type Role = 'server' | 'client'

export interface Place {
  readonly role: Role
  readonly pid: number
  readonly path: string
}

/** What sockaddr_un takes, its final zero left out. */
const longestPath = process.platform === 'darwin' ? 103 : 107

export const localFolder = ({ state }: Folders): string => join(state, 'run')

/** The socket of this process; makes the folder. Throws config_invalid, unsupported or the system's error. */
export function ownPlace(role: Role, folders: Folders): Place {
  if (!isSupported) throw unsupported()
  const folder = localFolder(folders)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  check(folder)
  const path = join(folder, `${role}-${process.pid}.sock`)
  if (Buffer.byteLength(path) > longestPath) {
    const text = `${path} is too long for a socket (${longestPath} bytes at most): set PETREL_HOME to a folder with a shorter path`
    throw new PetrelError('config_invalid', 'config', text)
  }
  return { role, pid: process.pid, path }
}

/** Every socket that is there; those of processes that are gone as well. Throws config_invalid or unsupported. */
export function places(folders: Folders): Place[] {
  if (!isSupported) throw unsupported()
  const folder = localFolder(folders)
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) return []
  check(folder)
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const match = /^(server|client)-(\d{1,10})\.sock$/.exec(name)
      return match === null ? [] : [{ role: match[1] as Role, pid: Number(match[2]), path: join(folder, name) }]
    })
}

/** Removes the socket of a process that is gone; call when nobody answers there. One that lives may be about to listen. */
export function removeStale({ pid, path }: Place): void {
  if (pid === process.pid || !isAlive(pid)) rmSync(path, { force: true })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** A link would lead to somebody else's folder, so it is looked at itself. */
function check(folder: string): void {
  const info = lstatSync(folder)
  if (info.isDirectory() && info.uid === process.getuid?.() && (info.mode & 0o077) === 0) return
  throw new PetrelError(
    'config_invalid',
    'config',
    `${folder} is not a folder of this user alone: remove it, or make it yours with mode 0700`,
  )
}

/** A pipe of Windows lies in no folder whose mode could guard it. */
const isSupported = process.platform !== 'win32'

const unsupported = () =>
  new PetrelError('unsupported', 'us', 'there is no control socket on Windows: the log says how petrel is doing')
