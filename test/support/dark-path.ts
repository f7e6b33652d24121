// Relays on loopback that can go dark: from then on nothing passes and nothing breaks, like a cable that was pulled.

import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Address } from '../../src/transport/transport.js'

export interface DarkPath {
  /** Dial this instead of the listener. */
  readonly address: Address
  goDark(): void
  /** Breaks every connection at once (TCP: by RST) and ends the relay. */
  cut(): void
}

export async function tcpPath(to: Address): Promise<DarkPath> {
  const sockets = new Set<Socket>()
  let dark = false
  const server = createServer((near) => {
    const far = connect(to.port, to.host)
    for (const [from, onto] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('data', (bytes) => dark || onto.write(bytes))
      from.on('end', () => dark || onto.end())
      from.on('close', () => {
        sockets.delete(from)
        if (!dark) onto.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    goDark: () => {
      dark = true
    },
    cut: () => {
      server.close()
      for (const socket of sockets) socket.resetAndDestroy()
    },
  }
}

export async function udpPath(to: Address): Promise<DarkPath> {
  const front = createSocket('udp4')
  const backs = new Map<string, UdpSocket>()
  let dark = false
  const backOf = (from: RemoteInfo): UdpSocket => {
    const key = `${from.address}:${from.port}`
    let back = backs.get(key)
    if (back === undefined) {
      back = createSocket('udp4')
      back.on('error', () => {})
      back.on('message', (bytes) => dark || front.send(bytes, from.port, from.address))
      backs.set(key, back)
    }
    return back
  }
  front.on('error', () => {})
  front.on('message', (bytes, from) => dark || backOf(from).send(bytes, to.port, to.host))
  front.bind(0, '127.0.0.1')
  await once(front, 'listening')
  let open = true
  return {
    address: { host: '127.0.0.1', port: front.address().port },
    goDark: () => {
      dark = true
    },
    cut: () => {
      if (!open) return
      open = false
      dark = true
      front.close()
      for (const back of backs.values()) back.close()
    },
  }
}
