// The UDP half of the bad link: each source gets a socket of its own towards the target, as a NAT would give it.

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Address } from '../../transport/transport.js'
import { DelayLine } from './delay-line.js'
import { seededRandom } from './random.js'
import { type Relay, relayQueueBytes, type UdpRelayOptions } from './relay.js'

/** Sources at once; the oldest is forgotten for a new one. */
const maxSources = 256
/** Asked of the system; it gives what it allows. A burst of a congestion window must fit. */
const socketBufferBytes = 4 * 1024 * 1024

interface Packet {
  readonly payload: Buffer
  readonly socket: Socket
  /** Where it goes; undefined: the socket is connected. */
  readonly to: Address | undefined
}

/** Relays between a port of 127.0.0.1 and the target. Errors: those of the system's sockets. */
export async function startUdpRelay(options: UdpRelayOptions): Promise<Relay> {
  const random = seededRandom(options.seed ?? 1)
  const counters = { forwarded: 0, lost: 0, overflowed: 0 }
  let lossRatio = options.lossPercent / 100
  const sources = new Map<string, Socket>()
  const lines = [0, 1].map(
    () => new DelayLine<Packet>(options.rttMs / 2, options.queueBytes ?? relayQueueBytes, (packet) => deliver(packet)),
  ) as [DelayLine<Packet>, DelayLine<Packet>]

  const face = createSocket('udp4')
  face.on('message', (payload, from) => {
    const socket = sources.get(`${from.address}:${from.port}`) ?? addSource({ host: from.address, port: from.port })
    take(lines[0], { payload, socket, to: undefined })
  })
  face.bind(options.port ?? 0, '127.0.0.1')
  await once(face, 'listening')
  face.on('error', () => counters.overflowed++)
  widen(face)

  function take(line: DelayLine<Packet>, packet: Packet): void {
    if (random() < lossRatio) counters.lost++
    else if (!line.push(packet, packet.payload.length)) counters.overflowed++
  }

  function deliver({ payload, socket, to }: Packet): void {
    const done = (error: Error | null) => {
      if (error === null) counters.forwarded++
      else counters.overflowed++
    }
    try {
      if (to === undefined) socket.send(payload, done)
      else socket.send(payload, to.port, to.host, done)
    } catch {
      counters.overflowed++ // the source was forgotten while its packet was on the way
    }
  }

  function addSource(source: Address): Socket {
    const oldest = sources.entries().next().value
    if (sources.size >= maxSources && oldest !== undefined) {
      sources.delete(oldest[0])
      oldest[1].close()
    }
    const socket = createSocket(options.target.host.includes(':') ? 'udp6' : 'udp4')
    socket.on('message', (payload) => take(lines[1], { payload, socket: face, to: source }))
    // A port that nobody listens on answers with an ICMP error; to the sender that is a lost packet.
    socket.on('error', () => counters.overflowed++)
    socket.connect(options.target.port, options.target.host, () => widen(socket))
    sources.set(`${source.host}:${source.port}`, socket)
    return socket
  }

  const forget = () => {
    for (const socket of sources.values()) socket.close()
    sources.clear()
  }

  return {
    address: { host: '127.0.0.1', port: face.address().port },
    counters,
    change(link) {
      if (link.rttMs !== undefined) for (const line of lines) line.delayMs = link.rttMs / 2
      if (link.lossPercent !== undefined) lossRatio = link.lossPercent / 100
    },
    cut: forget,
    async close() {
      for (const line of lines) line.clear()
      forget()
      face.close()
      await once(face, 'close')
    },
  }
}

function widen(socket: Socket): void {
  try {
    socket.setRecvBufferSize(socketBufferBytes)
    socket.setSendBufferSize(socketBufferBytes)
  } catch {
    // The system's own size will do: the relay then drops more under bursts, and counts nothing for it.
  }
}
