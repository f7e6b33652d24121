// Short exchanges: nothing of them waits for a timer of the link.

import { tcpProxy } from '../support/ends.js'
import { startTunnel } from '../support/one-process.js'
import { overEach } from '../support/over.js'
import { readAll, tcpConnect, tcpServer } from '../support/tcp.js'

/** TCP acknowledges after 40 ms at the least when it has nothing to say; an exchange takes about 2. */
const delayedAcknowledgementMs = 40

overEach('the end of a short answer follows its bytes at once', async (t, over) => {
  const service = await tcpServer((socket) => socket.pipe(socket))
  t.teardown(() => service.close())
  const { ports } = await startTunnel(t, over, [tcpProxy('echo', service.port)])
  const tookMs: number[] = []
  for (let round = 0; round < 25; round++) {
    const visitor = await tcpConnect(ports[0]!)
    const started = performance.now()
    visitor.end('short')
    const { bytes, how } = await readAll(visitor)
    t.is(`${bytes} ${how}`, 'short end')
    tookMs.push(performance.now() - started)
  }
  // A timer would hold up each of them, a busy machine only most.
  const fastMs = tookMs.sort((a, b) => a - b)[3]!
  t.true(fastMs < delayedAcknowledgementMs * 0.75, `${fastMs} ms`)
})
