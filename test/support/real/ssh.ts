// An sshd of the test's own on loopback: its keys, its configuration, its port; and ssh and scp that trust it.

import { mkdirSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type Folder, testFolder } from '../../config/folder.js'
import { programPath } from '../over.js'
import { daemon, type Ended, freePort, run } from '../programs.js'

export const sshPrograms = ['ssh', 'scp', 'sshd', 'ssh-keygen'] as const

export interface Sshd {
  readonly port: number
  readonly folder: Folder
}

/** On a free port of loopback; or inside something, for instance a network namespace, on the port of that name. */
export async function startSshd(
  t: ExecutionContext,
  within?: { readonly inside: readonly string[]; readonly port: number },
): Promise<Sshd> {
  const folder = testFolder(t)
  for (const name of ['host_key', 'user_key']) {
    const made = await run(t, 'ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder.path, name)])
    if (made.code !== 0) throw new Error(`ssh-keygen: ${made.stderr}`)
  }
  // Where a system has never started its own sshd, the folder into which a session's first process is locked is missing.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const port = within?.port ?? (await freePort())
  const config = folder.write('sshd_config', sshdConfig(folder.path, port))
  const [program = '', ...args] = [...(within?.inside ?? []), programPath('sshd') ?? 'sshd', '-D', '-e', '-f', config]
  await daemon(t, program, args, /Server listening/)
  return { port, folder }
}

const sshdConfig = (folder: string, port: number) => `ListenAddress 127.0.0.1
Port ${port}
HostKey ${folder}/host_key
AuthorizedKeysFile ${folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
`

const trust = ({ folder }: Sshd) => [
  ...['-F', 'none', '-i', join(folder.path, 'user_key')],
  ...['-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes', '-o', 'ConnectTimeout=20'],
  ...['-o', 'StrictHostKeyChecking=no', '-o', `UserKnownHostsFile=${join(folder.path, 'known_hosts')}`],
  ...['-o', 'LogLevel=ERROR', '-o', 'Compression=no'],
]

export interface Reached {
  readonly port: number
  readonly host?: string
  readonly inside?: readonly string[]
}

/** Runs a command on the sshd that is reached there. */
export function ssh(t: ExecutionContext, sshd: Sshd, at: Reached, command: string, input = ''): Promise<Ended> {
  const target = `${userInfo().username}@${at.host ?? '127.0.0.1'}`
  const [program = '', ...args] = [...(at.inside ?? []), 'ssh', ...trust(sshd), '-p', `${at.port}`, target, command]
  return run(t, program, args, { input })
}

/** scp between local files and "remote:/path". */
export function scp(t: ExecutionContext, sshd: Sshd, port: number, from: string, to: string): Promise<Ended> {
  const host = `${userInfo().username}@127.0.0.1:`
  const [source, target] = [from, to].map((path) => path.replace(/^remote:/, host))
  // -S: the ssh of this PATH, also where scp was built for another folder.
  const args = ['-q', '-S', programPath('ssh') ?? 'ssh', ...trust(sshd), '-P', `${port}`, source!, target!]
  return run(t, 'scp', args)
}
