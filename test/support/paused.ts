// Visitors that stop reading for two seconds in the middle of a download over a slow, lossy path, beside one that does
// not: the link lives, and every byte comes.

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'
import type { Transport } from '../../src/transport/transport.js'
import { tcpProxy } from './ends.js'
import { type Loss, startTunnel } from './one-process.js'
import { tcpConnect, tcpServer } from './tcp.js'

const content = randomBytes(12 * 1024 * 1024)
const stopMs = 2_000

export interface PausedOptions extends Loss {
  readonly rttMs: number
  readonly stopping: number
  readonly working: number
}

/** One run: so many visitors stop for 2 s with 12 MiB on the way, so many others read on. Over TCP, whose relay loses
 *  nothing, a run with losses would be the run without once more: it is left out. */
export async function pausedReaders(t: ExecutionContext, over: Transport, options: PausedOptions): Promise<void> {
  if (over.name === 'tls' && options.lossPercent) {
    t.pass('the TCP relay loses nothing')
    return
  }
  const service = await tcpServer((socket) => socket.end(content))
  t.teardown(() => service.close())
  const { server, client, ports } = await startTunnel(t, over, [tcpProxy('download', service.port)], options)
  const since = server.sessions()[0]?.since
  const began = performance.now()
  const seconds = await Promise.all([
    ...Array.from({ length: options.stopping }, () => download(t, ports[0]!, true)),
    ...Array.from({ length: options.working }, () => download(t, ports[0]!, false)),
  ])
  t.is(client.state.state, 'serving', 'the link lives')
  t.is(server.sessions()[0]?.since, since, 'and it is the same one')
  const rate = (content.length * seconds.length) / (performance.now() - began) / 1000
  t.log(
    `seed ${options.seed}, loss ${options.lossPercent ?? 0} %: ${seconds.map((each) => each.toFixed(1)).join(', ')} s; `,
  )
  t.log(`${rate.toFixed(1)} MB/s in all`)
}

/** Resolves with the seconds that the whole content took, its sum checked. */
async function download(t: ExecutionContext, port: number, stops: boolean): Promise<number> {
  const began = performance.now()
  const visitor = await tcpConnect(port)
  visitor.end()
  const hash = createHash('sha256')
  let bytes = 0
  visitor.on('data', (chunk) => {
    hash.update(chunk)
    if (stops && bytes === 0) {
      visitor.pause()
      setTimeout(() => visitor.resume(), stopMs)
    }
    bytes += chunk.length
  })
  await once(visitor, 'end')
  t.is(bytes, content.length)
  t.is(hash.digest('hex'), createHash('sha256').update(content).digest('hex'), 'equal bytes')
  return (performance.now() - began) / 1000
}
