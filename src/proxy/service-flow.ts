// One flow on the client: a connected UDP socket to the service, so that only the service's replies are taken.

import type { Socket } from 'node:dgram'
import { lookup } from 'node:dns'
import { isIPv6 } from 'node:net'
import { hostPort } from '../base/ip.js'
import { limits } from '../base/limits.js'
import type { Line } from '../base/log.js'
import { watchIdle } from './idle.js'
import type { Flow, FlowEvents, Service } from './proxy.js'
import { askBuffers, canSend, udpSocket } from './udp-socket.js'

export interface ServiceFlowOptions {
  readonly service: Service
  readonly flow: Flow
  readonly counters: ServiceCounters
  readonly log: Line
  /** Called once, when nothing is left of it. */
  onGone(): void
}

/** Payloads to the service that were dropped. */
export type ServiceCounters = {
  /** More than may wait came before the service's name was known, or faster than the system takes them. */
  droppedServiceQueue: number
  /** The system or the service's host refused them (ICMP); the flow lives on. */
  droppedServiceRefused: number
}

export class ServiceFlow implements FlowEvents {
  private socket: Socket | undefined
  private isReady = false
  private isEnded = false
  private wasRefused = false
  private readonly pending: Uint8Array[] = []
  private moved = 0
  private readonly unwatch: () => void

  constructor(private readonly options: ServiceFlowOptions) {
    const { service } = options
    this.unwatch = watchIdle(
      service.idleTimeoutMs,
      () => this.moved,
      () => this.end(),
    )
    // UDP cannot try a second address as TCP does, and what listens on "localhost" listens on IPv4 mostly.
    lookup(service.host, { order: 'ipv4first' }, (error, address) => {
      if (error !== null) this.fail(error)
      else if (this.isEnded) options.onGone()
      else this.connect(address)
    })
  }

  payload(bytes: Uint8Array): void {
    this.moved++
    if (this.isReady) this.send(bytes)
    else if (this.pending.length < limits.proxy.udpPendingPayloads) this.pending.push(bytes)
    else this.options.counters.droppedServiceQueue++
  }

  closed(): void {
    this.end()
  }

  /** Closes the socket and tells the peer. Idempotent. */
  end(): void {
    if (this.isEnded) return
    this.isEnded = true
    this.unwatch()
    this.options.flow.close()
    // Without a socket the look-up is still under way and says when it is over.
    this.socket?.close(() => this.options.onGone())
  }

  private connect(address: string): void {
    const { port } = this.options.service
    const socket = udpSocket(isIPv6(address) ? 'udp6' : 'udp4')
    this.socket = socket
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // The answer of a host where nothing listens (yet): the next payload may well be taken.
      if (this.isReady) this.refused(error)
      else this.fail(error)
    })
    socket.on('message', (bytes) => {
      this.moved++
      this.options.flow.send(bytes)
    })
    socket.connect(port, address, () => {
      if (this.isEnded) return
      askBuffers(socket, limits.proxy.flowSocketBytes)
      this.isReady = true
      for (const bytes of this.pending.splice(0)) this.send(bytes)
    })
  }

  private send(bytes: Uint8Array): void {
    if (!canSend(this.socket!)) {
      this.options.counters.droppedServiceQueue++
      return
    }
    this.socket!.send(bytes, (error) => {
      if (error === null || this.isEnded) return
      // The system gives the answer to an earlier payload here, once, and has not sent this one.
      this.refused(error)
      this.socket!.send(bytes, this.onSentAgain)
    })
  }

  private readonly onSentAgain = (error: Error | null): void => {
    if (error !== null) this.refused(error)
  }

  /** Said once a flow: a service that restarts is no news with each payload. */
  private refused(error: Error): void {
    if (!this.wasRefused) this.warn(error)
    this.wasRefused = true
    this.options.counters.droppedServiceRefused++
  }

  private fail(error: Error): void {
    if (this.isEnded) {
      if (this.socket === undefined) this.options.onGone()
      return
    }
    this.warn(error)
    const hadSocket = this.socket !== undefined
    this.end()
    if (!hadSocket) this.options.onGone()
  }

  private warn(error: Error): void {
    const { host, port } = this.options.service
    this.options.log('warn', `udp service ${hostPort(host, port)} cannot be reached: ${error.message}`)
  }
}
