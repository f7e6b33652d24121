// A bad link on loopback, for the demo and for tests: a UDP relay that delays and drops packets (udp-relay.ts), and a
// TCP relay that only delays (tcp-relay.ts; losing bytes of a TCP connection would break it, and the kernel hides its
// packets from us). What both have in common.

import type { Address } from '../../transport/transport.js'

/** Bytes on their way in one direction: 250 ms of 1 Gbit/s. */
export const relayQueueBytes = 32 * 1024 * 1024

export interface TcpRelayOptions {
  readonly target: Address
  /** Added to a round trip, ms; half of it in each direction. */
  readonly rttMs: number
  /** Of the relay itself; default: a free one. */
  readonly port?: number
  /** Bytes on their way in one direction of one connection before the sender is paused; default relayQueueBytes. */
  readonly queueBytes?: number
}

export interface UdpRelayOptions extends TcpRelayOptions {
  /** Of 100 packets, how many are dropped, each direction by itself, independently of each other. */
  readonly lossPercent: number
  /** The same seed drops the same packets of the same sequence; default 1. */
  readonly seed?: number
}

export interface RelayCounters {
  readonly forwarded: number
  /** Dropped by the dice. */
  readonly lost: number
  /** Dropped because the queue was full or the system refused the packet. */
  readonly overflowed: number
}

export interface Relay {
  /** Where to send instead of to the target: 127.0.0.1 and the relay's port. */
  readonly address: Address
  readonly counters: RelayCounters
  /** Changes the link from now on; lossPercent 100 is a link that has gone dead (tcp: ignored). */
  change(link: { readonly rttMs?: number; readonly lossPercent?: number }): void
  /** tcp: resets every connection. udp: forgets every source, as a NAT that was restarted does. */
  cut(): void
  close(): Promise<void>
}
