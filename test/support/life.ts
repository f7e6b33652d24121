// A process with a listener, a link to itself and traffic on it, that then ends in the way its argument names. Prints
// "ending" when it begins to end, so that the parent can time it.

import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { limits } from '../../src/base/limits.js'
import type { NativeLink } from '../../src/transport/native/link.js'
import { quicTransport } from '../../src/transport/quic.js'
import type { Link, Listener } from '../../src/transport/transport.js'
import { makeCredentials } from './credentials.js'

const terminations = 100
const any = { host: '127.0.0.1', port: 0 }

async function serve(listener: Listener): Promise<void> {
  for await (const link of listener) {
    link.raiseLimits(limits.link.authenticated)
    void echo(link)
  }
}

async function echo(link: Link): Promise<void> {
  for await (const stream of link) stream.pipe(stream)
}

/** Streams that write and read without end; resolves when the first bytes came back. */
async function traffic(link: Link): Promise<void> {
  const chunk = Buffer.alloc(64 * 1024)
  const first: Promise<unknown>[] = []
  for (let count = 0; count < 4; count++) {
    const stream = await link.open()
    const write = () => {
      while (!stream.destroyed && stream.write(chunk));
    }
    stream.on('drain', write)
    first.push(once(stream, 'data'))
    stream.resume()
    write()
  }
  await Promise.all(first)
}

async function dial(port: number): Promise<Link> {
  return quicTransport().dial({ ...any, port }, { trust: { kind: 'unverified' } })
}

const ending = () => process.stdout.write('ending\n')

async function main(way: string): Promise<void> {
  const listener = await quicTransport().listen(any, { credentials: await makeCredentials() })
  void serve(listener)
  if (way === 'terminate') {
    for (let count = 0; count < terminations; count++) {
      const worker = new Worker(fileURLToPath(import.meta.url), { workerData: listener.address.port })
      await once(worker, 'message')
      await worker.terminate()
    }
  }
  const link = await dial(listener.address.port)
  await traffic(link)
  switch (way) {
    case 'exit':
      ending()
      process.exit(7)
      break
    case 'throw':
      ending()
      throw new Error('nobody catches this')
    case 'panic': {
      const other = await dial(listener.address.port)
      ;(link as NativeLink).panicForTest()
      const closed = await link.closed
      const stream = await other.open()
      stream.end('alive')
      const [answer] = (await once(stream, 'data')) as [Buffer]
      process.stdout.write(`${closed.by} ${closed.code} ${answer}\n`)
      await other.close()
      ending()
      // The far end of the link that panicked hears of it by silence only, and the listener would wait for that.
      process.exit(0)
      break
    }
    default:
      await link.close()
      await listener.close()
      ending()
  }
}

if (isMainThread) await main(process.argv[2] ?? 'close')
else {
  const { parentPort } = await import('node:worker_threads')
  await traffic(await dial(workerData as number))
  parentPort!.postMessage('busy')
}
