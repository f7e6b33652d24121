// A UDP path as an access network has it: delay and seeded loss both ways, and no packet larger than Ethernet's.

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { DelayLine } from '../../src/cli/demo/delay-line.js'
import { seededRandom } from '../../src/cli/demo/random.js'
import type { Address } from '../../src/transport/transport.js'

export interface LossyOptions {
  readonly target: Address
  readonly rttMs: number
  readonly lossPercent: number
  readonly seed: number
}

export interface LossyPath {
  readonly address: Address
  /** Packets: passed on, lost by the dice, too large. */
  readonly counters: { passed: number; lost: number; tooLarge: number }
  close(): void
}

/** 1,500 bytes less the headers of IPv4 and UDP. */
const largestPayload = 1_472
const bufferBytes = 4 * 1024 * 1024

/** One dialler at a time: what comes from elsewhere than the target belongs to the last who sent. */
export async function lossyPath({ target, rttMs, lossPercent, seed }: LossyOptions): Promise<LossyPath> {
  const random = seededRandom(seed)
  const counters = { passed: 0, lost: 0, tooLarge: 0 }
  const [near, far] = [createSocket('udp4'), createSocket('udp4')]
  let dialler: Address | undefined
  let open = true
  const line = (from: Socket, onto: Socket, to: () => Address | undefined) => {
    const delayed = new DelayLine<Buffer>(rttMs / 2, 64 * 1024 * 1024, (payload) => {
      const address = to()
      if (open && address !== undefined) onto.send(payload, address.port, address.host)
    })
    from.on('message', (payload) => {
      if (payload.length > largestPayload) counters.tooLarge++
      else if (random() * 100 < lossPercent) counters.lost++
      else if (delayed.push(payload, payload.length)) counters.passed++
    })
    from.on('error', () => {})
  }
  near.on('message', (_payload, { address, port }) => {
    dialler = { host: address, port }
  })
  line(near, far, () => target)
  line(far, near, () => dialler)
  for (const socket of [near, far]) {
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    socket.setRecvBufferSize(bufferBytes)
    socket.setSendBufferSize(bufferBytes)
  }
  return {
    address: { host: '127.0.0.1', port: near.address().port },
    counters,
    close: () => {
      open = false
      near.close()
      far.close()
    },
  }
}
