// A NAT on loopback whose mappings live for a time only: what comes for a forgotten one is lost, and the next packet from
// inside leaves from a new port.

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Address } from '../../src/transport/transport.js'

export interface Nat {
  /** Dial this instead of the target. */
  readonly address: Address
  /** When mappings were forgotten, ms since 1970. */
  readonly forgotten: readonly number[]
  close(): void
}

const bufferBytes = 4 * 1024 * 1024

/** livesMs: of a mapping, whatever traffic it carries. One dialler at a time. */
export async function startNat(target: Address, livesMs: number): Promise<Nat> {
  const face = createSocket('udp4')
  const forgotten: number[] = []
  let mapping: Socket | undefined
  let timer: NodeJS.Timeout | undefined
  const map = (inside: { port: number; address: string }): Socket => {
    const socket = createSocket('udp4')
    socket.on('error', () => {})
    socket.on('message', (packet) => face.send(packet, inside.port, inside.address))
    socket.bind(0, '127.0.0.1', () => {
      socket.setRecvBufferSize(bufferBytes)
      socket.setSendBufferSize(bufferBytes)
    })
    timer = setTimeout(() => {
      forgotten.push(Date.now())
      socket.close()
      mapping = undefined
    }, livesMs)
    return socket
  }
  face.on('message', (packet, from) => {
    mapping ??= map(from)
    mapping.send(packet, target.port, target.host)
  })
  face.bind(0, '127.0.0.1')
  await once(face, 'listening')
  face.setRecvBufferSize(bufferBytes)
  face.setSendBufferSize(bufferBytes)
  return {
    address: { host: '127.0.0.1', port: face.address().port },
    forgotten,
    close() {
      clearTimeout(timer)
      mapping?.close()
      face.close()
    },
  }
}
