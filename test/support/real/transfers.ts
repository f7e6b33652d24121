// What real TCP programs do through a tunnel of two processes, in the size that the caller wants. Tests and gates share
// it, so that a gate is the same test with more bytes.

import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { LinkName } from '../over.js'
import { daemon, freePort, run } from '../programs.js'
import { startTwoProcesses } from '../two-processes.js'
import { randomFile, sumOf } from './files.js'
import { scp, ssh, startSshd } from './ssh.js'

const megabytes = (bytes: number) => bytes / 1_000_000

/** ssh runs a command; scp brings a file there and another one back, whole. */
export async function sshAndScp(t: ExecutionContext, over: LinkName, bytes: number): Promise<void> {
  const sshd = await startSshd(t)
  const { ports } = await startTwoProcesses(t, over, [{ type: 'tcp', port: sshd.port }])
  const port = ports[0]!
  const said = await ssh(t, sshd, { port }, 'cat; echo "$SSH_CONNECTION"; exit 7', 'typed in\n')
  t.is(said.code, 7, said.stderr)
  t.regex(said.stdout.toString(), new RegExp(`^typed in\n127\\.0\\.0\\.1 \\d+ 127\\.0\\.0\\.1 ${sshd.port}\n$`))

  const here = join(sshd.folder.path, 'here')
  const there = join(sshd.folder.path, 'there')
  const back = join(sshd.folder.path, 'back')
  const sum = await randomFile(here, bytes)
  const up = await scp(t, sshd, port, here, `remote:${there}`)
  t.is(up.code, 0, up.stderr)
  t.is(await sumOf(there), sum)
  const down = await scp(t, sshd, port, `remote:${there}`, back)
  t.is(down.code, 0, down.stderr)
  t.is(await sumOf(back), sum)
  const rate = (seconds: number) => `${(megabytes(bytes) / seconds).toFixed(0)} MB/s`
  t.log(`scp of ${megabytes(bytes)} MB: up ${rate(up.seconds)}, down ${rate(down.seconds)}, ssh included`)
}

/** How long one run of iperf3 is. A busy machine may carry nothing for a second, so tests count bytes. */
export type Length = { readonly bytes: number } | { readonly seconds: number }

/** iperf3 up, down and in parallel, each of that length. */
export async function iperf(t: ExecutionContext, over: LinkName, length: Length): Promise<void> {
  const servicePort = await freePort()
  const { ports } = await startTwoProcesses(t, over, [{ type: 'tcp', port: servicePort }])
  const figures: string[] = []
  for (const [name, flags] of [
    ['up', []],
    ['down', ['-R']],
    ['8 up', ['-P', '8']],
    ['8 down', ['-P', '8', '-R']],
  ] as const) {
    // One server for each run: between two runs a server says for a moment that it is busy.
    const args = ['-s', '-1', '-B', '127.0.0.1', '-p', `${servicePort}`, '--forceflush']
    const { ended: serverEnded } = await daemon(t, 'iperf3', args, /Server listening/)
    const long = 'bytes' in length ? ['-n', `${length.bytes}`] : ['-t', `${length.seconds}`]
    const ended = await run(t, 'iperf3', ['-c', '127.0.0.1', '-p', `${ports[0]}`, ...long, '-J', ...flags])
    const report = JSON.parse(ended.stdout.toString()) as IperfReport
    t.is(report.error, undefined)
    t.is(ended.code, 0, ended.stderr)
    const { bytes = 0, bits_per_second: bits = 0 } = report.end?.sum_received ?? {}
    const rate = bits / 8_000_000
    // The receiver stops counting when the sender has handed all to its system, of which much is still on its way.
    if ('bytes' in length) t.true(bytes > 0, name)
    else t.true(rate > 1, `${name}: ${rate} MB/s`)
    figures.push(`${name} ${rate.toFixed(0)}`)
    await serverEnded
  }
  t.log(`iperf3, MB/s: ${figures.join(', ')}`)
}

interface IperfReport {
  readonly error?: string
  readonly end?: { readonly sum_received: { readonly bytes: number; readonly bits_per_second: number } }
}
