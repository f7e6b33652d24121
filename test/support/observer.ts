// Somebody on the path of a link over UDP: he passes everything on, takes down what passes, and sends what he likes to
// either end, from the very addresses that the two know, and to the server from one of his own.

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Address } from '../../src/transport/transport.js'

export interface Observer {
  /** Dial this instead of the target. */
  readonly address: Address
  /** The newest packets that went to the server and to the client; so many of each as asked for. */
  readonly seen: { readonly up: readonly Buffer[]; readonly down: readonly Buffer[] }
  /** As if from the client, or from elsewhere. */
  toServer(packet: Buffer, from?: 'client' | 'elsewhere'): void
  /** As if from the server. */
  toClient(packet: Buffer): void
  /** What came back to his own address. */
  readonly heard: { packets: number; bytes: number }
  close(): void
}

const bufferBytes = 4 * 1024 * 1024

/** One dialler. keep: packets of each direction. */
export async function startObserver(target: Address, keep: number): Promise<Observer> {
  const [face, back, own] = await Promise.all([bound(), bound(), bound()])
  const seen: { up: Buffer[]; down: Buffer[] } = { up: [], down: [] }
  const heard = { packets: 0, bytes: 0 }
  let client = { port: 0, address: '127.0.0.1' }
  let isOpen = true
  const note = (list: Buffer[], packet: Buffer) => {
    list.push(packet)
    if (list.length > keep * 2) list.splice(0, keep)
  }
  face.on('message', (packet, from) => {
    client = from
    note(seen.up, packet)
    back.send(packet, target.port, target.host)
  })
  back.on('message', (packet) => {
    note(seen.down, packet)
    face.send(packet, client.port, client.address)
  })
  own.on('message', (packet) => {
    heard.packets++
    heard.bytes += packet.length
  })
  return {
    address: { host: '127.0.0.1', port: face.address().port },
    seen,
    toServer(packet, from = 'client') {
      if (isOpen) (from === 'client' ? back : own).send(packet, target.port, target.host)
    },
    toClient(packet) {
      if (isOpen && client.port !== 0) face.send(packet, client.port, client.address)
    },
    heard,
    close() {
      isOpen = false
      for (const socket of [face, back, own]) socket.close()
    },
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4').on('error', () => {})
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  socket.setRecvBufferSize(bufferBytes)
  socket.setSendBufferSize(bufferBytes)
  return socket
}
