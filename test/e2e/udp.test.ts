// UDP payloads through the real binary: boundaries hold, from nothing at all to the largest that UDP can carry.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'
import { overEach } from '../support/over.js'
import { pattern } from '../support/stream-ends.js'
import { startTwoProcesses } from '../support/two-processes.js'

const sizes = [0, 1, 1_472, 9_000, 65_507]
const rounds = 20
/** UDP may lose; on loopback it hardly does, and a second try is what every UDP program makes. */
const tries = 3
const answerMs = 2_000

async function echoService(t: ExecutionContext): Promise<number> {
  const socket = createSocket('udp4')
  socket.on('message', (payload, from) => socket.send(payload, from.port, from.address))
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => void socket.close())
  return socket.address().port
}

overEach('udp payloads of 0 to 65,507 bytes come back whole', async (t, over) => {
  const { ports } = await startTwoProcesses(t, over.name, [{ type: 'udp', port: await echoService(t) }])
  const visitor = createSocket({ type: 'udp4', recvBufferSize: 1 << 20, sendBufferSize: 1 << 20 })
  t.teardown(() => void visitor.close())
  visitor.connect(ports[0]!, '127.0.0.1')
  await once(visitor, 'connect')
  let again = 0
  for (const size of sizes) {
    for (let round = 0; round < rounds; round++) {
      const sent = pattern(size, size + round)
      let came: Buffer | undefined
      for (let attempt = 0; attempt < tries && came === undefined; attempt++) {
        if (attempt > 0) again++
        visitor.send(sent)
        const answer = once(visitor, 'message', { signal: AbortSignal.timeout(answerMs) })
        came = await answer.then(
          ([payload]) => payload as Buffer,
          () => undefined,
        )
      }
      t.true(
        came?.equals(sent),
        `${size} bytes, round ${round}: ${came === undefined ? 'no answer' : `${came.length} bytes`}`,
      )
    }
  }
  t.log(`${sizes.length * rounds} payloads, ${again} sent again`)
})
