// The TCP half of the bad link: every byte and every FIN arrives half a round trip later, nothing is dropped.
// A sender that fills the queue is paused, so that the queue stays bounded.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { DelayLine } from './delay-line.js'
import { type Relay, relayQueueBytes, type TcpRelayOptions } from './relay.js'

/** Stands for the FIN in the queue. */
const fin = Symbol('fin')
type Piece = Buffer | typeof fin

/** Relays between a port of 127.0.0.1 and the target. Errors: those of the system's sockets. */
export async function startTcpRelay(options: TcpRelayOptions): Promise<Relay> {
  const counters = { forwarded: 0, lost: 0, overflowed: 0 }
  const sockets = new Set<Socket>()
  const lines = new Set<DelayLine<Piece>>()
  let delayMs = options.rttMs / 2
  let closing = false

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ ...options.target, allowHalfOpen: true, noDelay: true })
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    }
    carry(near, far)
    carry(far, near)
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as { port: number }

  function carry(from: Socket, to: Socket): void {
    const line: DelayLine<Piece> = new DelayLine(delayMs, Number.POSITIVE_INFINITY, (piece) => {
      if (piece === fin) to.end()
      else if (!to.destroyed) {
        counters.forwarded++
        to.write(piece)
      }
      settle()
    })
    // Bytes on the way and bytes that the target has not taken count together.
    const settle = () => {
      const full = line.bytes + to.writableLength > (options.queueBytes ?? relayQueueBytes)
      if (full) from.pause()
      else if (from.isPaused()) from.resume()
    }
    lines.add(line)
    from.on('data', (chunk: Buffer) => {
      line.push(chunk, chunk.length)
      settle()
    })
    from.on('end', () => line.push(fin, 0))
    to.on('drain', settle)
    // An abort must not look like a clean end on the other side.
    from.on('error', () => to.resetAndDestroy())
    from.once('close', (broken) => {
      if (broken || from.readableAborted) {
        line.clear()
        if (!to.destroyed) to.resetAndDestroy()
      }
    })
    to.once('close', () => {
      line.clear()
      lines.delete(line)
    })
  }

  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }

  return {
    address: { host: '127.0.0.1', port: address.port },
    counters,
    change(link) {
      if (link.rttMs === undefined) return
      delayMs = link.rttMs / 2
      for (const line of lines) line.delayMs = delayMs
    },
    cut,
    async close() {
      if (closing) return
      closing = true
      server.close()
      cut()
      for (const line of lines) line.clear()
      await once(server, 'close')
    },
  }
}
