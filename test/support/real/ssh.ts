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

export async function startSshd(t: ExecutionContext): Promise<Sshd> {
  const folder = testFolder(t)
  for (const name of ['host_key', 'user_key']) {
    const made = await run(t, 'ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder.path, name)])
    if (made.code !== 0) throw new Error(`ssh-keygen: ${made.stderr}`)
  }
  // Where a system has never started its own sshd, the folder into which a session's first process is locked is missing.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const port = await freePort()
  const config = folder.write('sshd_config', sshdConfig(folder.path, port))
  await daemon(t, 'sshd', ['-D', '-e', '-f', config], /Server listening/)
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

/** Runs a command on the sshd that is reached at this port. */
export const ssh = (t: ExecutionContext, sshd: Sshd, port: number, command: string, input = ''): Promise<Ended> =>
  run(t, 'ssh', [...trust(sshd), '-p', `${port}`, `${userInfo().username}@127.0.0.1`, command], { input })

/** scp between local files and "remote:/path". */
export function scp(t: ExecutionContext, sshd: Sshd, port: number, from: string, to: string): Promise<Ended> {
  const host = `${userInfo().username}@127.0.0.1:`
  const [source, target] = [from, to].map((path) => path.replace(/^remote:/, host))
  // -S: the ssh of this PATH, also where scp was built for another folder.
  const args = ['-q', '-S', programPath('ssh') ?? 'ssh', ...trust(sshd), '-P', `${port}`, source!, target!]
  return run(t, 'scp', args)
}
