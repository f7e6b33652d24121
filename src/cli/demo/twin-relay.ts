// Both halves of the bad link on one port number, as a server has its transports: for a client that tries them all.

import { limits } from '../../base/limits.js'
import type { Relay, UdpRelayOptions } from './relay.js'
import { startTcpRelay } from './tcp-relay.js'
import { startUdpRelay } from './udp-relay.js'

/** Relays TCP and UDP between a free port of 127.0.0.1 and the target. Errors: those of the system's sockets. */
export async function startTwinRelay(options: UdpRelayOptions): Promise<Relay> {
  for (let attempt = 1; ; attempt++) {
    const tcp = await startTcpRelay(options)
    try {
      return twin(tcp, await startUdpRelay({ ...options, port: tcp.address.port }))
    } catch (error) {
      // The number is free for TCP and may be taken for UDP.
      await tcp.close()
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      if (!isTaken || options.port !== undefined || attempt === limits.ports.bindTries) throw error
    }
  }
}

const twin = (tcp: Relay, udp: Relay): Relay => ({
  address: tcp.address,
  get counters() {
    return {
      forwarded: tcp.counters.forwarded + udp.counters.forwarded,
      lost: udp.counters.lost,
      overflowed: udp.counters.overflowed,
    }
  },
  change(link) {
    tcp.change(link)
    udp.change(link)
  },
  cut() {
    tcp.cut()
    udp.cut()
  },
  async close() {
    await Promise.all([tcp.close(), udp.close()])
  },
})
