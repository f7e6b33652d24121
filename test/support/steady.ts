// A process that is one end of a conversation at a steady rate: it sends so many bytes, takes as many, and tells in one
// line of JSON what came and where it stood still. `steady.js listen PORT` or `steady.js connect HOST PORT`, then
// BYTES and BYTES_A_SECOND.

import { createHash } from 'node:crypto'
import { createServer, connect as dial, type Socket } from 'node:net'
import { seededRandom } from '../../src/cli/demo/random.js'

export interface Steady {
  readonly bytes: number
  /** Of what came and of what was sent. */
  readonly received: string
  readonly sent: string
  /** Where nothing came for 100 ms: since when (ms since 1970) and for how long. */
  readonly stalls: readonly { readonly at: number; readonly ms: number }[]
  /** The longest time for which the machine did not let this process run, as far as its timers tell. */
  readonly machineMs: number
}

const tickMs = 10
const stallMs = 100

function talk(socket: Socket, bytes: number, bytesASecond: number): void {
  const began = performance.now()
  const random = seededRandom(process.pid)
  const chunk = Buffer.from(Array.from({ length: 1 << 16 }, () => random() * 256))
  const [sent, received] = [createHash('sha256'), createHash('sha256')]
  const stalls: { at: number; ms: number }[] = []
  let [left, came, machineMs] = [bytes, 0, 0]
  let [heard, ticked] = [began, began]
  socket.setNoDelay(true)
  socket.on('data', (data) => {
    const now = performance.now()
    if (came > 0 && now - heard >= stallMs) stalls.push({ at: Date.now() - (now - heard), ms: now - heard })
    heard = now
    came += data.length
    received.update(data)
  })
  const timer = setInterval(() => {
    const now = performance.now()
    machineMs = Math.max(machineMs, now - ticked - tickMs)
    ticked = now
    const due = Math.min(left, Math.floor(((now - began) / 1000) * bytesASecond) - (bytes - left))
    for (let rest = due; rest > 0; rest -= chunk.length) {
      const from = Math.floor(random() * chunk.length)
      const piece = chunk.subarray(from, Math.min(chunk.length, from + rest))
      rest += chunk.length - piece.length
      sent.update(piece)
      socket.write(Buffer.from(piece))
    }
    left -= due
    if (left === 0 && !socket.writableEnded) socket.end()
  }, tickMs)
  socket.on('close', () => {
    clearInterval(timer)
    const result: Steady = {
      bytes: came,
      received: received.digest('hex'),
      sent: sent.digest('hex'),
      stalls,
      machineMs: Math.round(machineMs),
    }
    process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0))
  })
  socket.on('error', (error) => process.stderr.write(`${error.message}\n`))
}

const [how, ...rest] = process.argv.slice(2)
const [bytes = 0, bytesASecond = 0] = rest.slice(-2).map(Number)
if (how === 'listen') {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    server.close()
    talk(socket, bytes, bytesASecond)
  })
  server.listen(Number(rest[0]), '127.0.0.1', () =>
    process.stdout.write(`up ${(server.address() as { port: number }).port}\n`),
  )
} else if (how === 'connect') {
  const socket = dial({ host: rest[0]!, port: Number(rest[1]), allowHalfOpen: true }, () =>
    talk(socket, bytes, bytesASecond),
  )
}
