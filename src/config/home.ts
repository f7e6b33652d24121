// Where petrel keeps what is its own. One rule for everybody, root included: $PETREL_HOME when it is set, else the
// folders of the XDG base directory specification.

import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

export interface Folders {
  /** What the user decided: joined server, pins of known servers, install id, configuration files. */
  readonly config: string
  /** What a server made for itself: certificate, key, token. */
  readonly state: string
}

export function folders(env: Readonly<Record<string, string | undefined>>): Folders {
  const own = env.PETREL_HOME
  if (own !== undefined && own !== '') return { config: own, state: own }
  const home = env.HOME || homedir()
  return {
    config: join(env.XDG_CONFIG_HOME || join(home, '.config'), 'petrel'),
    state: join(env.XDG_STATE_HOME || join(home, '.local', 'state'), 'petrel'),
  }
}

/** Writes a file that only its owner can read, whole or not at all; makes its folder (0700) when it is missing. */
export function writeSecret(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  // A name that nobody can guess, and never a file that is there: the folder may be one that others write to, too, and
  // what they lay there could be a link, or stay open to them.
  const fresh = `${file}.${randomBytes(8).toString('hex')}.new`
  try {
    writeFileSync(fresh, text, { mode: 0o600, flag: 'wx' })
    chmodSync(fresh, 0o600)
    renameSync(fresh, file)
  } catch (error) {
    rmSync(fresh, { force: true })
    throw error
  }
}

/** The file's text, or undefined when there is none. Other errors of the system are thrown. */
export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
