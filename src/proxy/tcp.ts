// The `tcp` proxy: one stream of the link for each visitor's connection. `exposeTcp` is the server's half, `serveTcp`
// the client's; both end in pump.

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Ending } from '../base/ending.js'
import { isPetrelError, StreamReset } from '../base/errors.js'
import { hostPort, plainAddress } from '../base/ip.js'
import { limits } from '../base/limits.js'
import type { Address } from '../transport/transport.js'
import { dialService } from './dial.js'
import { listenError } from './listen-error.js'
import type { Exposure, ProxySpec, ProxyType, PublicSide, ServeEnd, ServeOptions, StreamOpener } from './proxy.js'
import { proxyProtocolHeader } from './proxy-protocol.js'
import { type PumpEnd, pump } from './pump.js'
import { abortSocket, hearResets } from './socket.js'
import { refusedCounter, Visitors } from './visitors.js'

export const tcp: ProxyType = { type: 'tcp', expose: exposeTcp }

export type TcpCounters = {
  accepted: number
  /** Turned away with RST: by a list, by a cap, because no stream could be opened. */
  refusedDenied: number
  refusedProxyFull: number
  refusedSourceFull: number
  refusedNoStream: number
  /** How the accepted ones ended. */
  endedClean: number
  endedVisitorBroke: number
  endedStreamBroke: number
  endedIdle: number
  endedAborted: number
  receivedBytes: number
  sentBytes: number
}

/** Opens the public port. Resolves once it listens. Errors: address_in_use, port_refused, config_invalid. */
export async function exposeTcp(spec: ProxySpec, to: StreamOpener, on: PublicSide): Promise<Exposure> {
  const exposure = new TcpExposure(spec, to, on)
  await exposure.listen()
  return exposure
}

/** Takes one visitor's stream to the service; resolves when both are done with. Never rejects: what fails is logged
 *  and told to the server as a reset. */
export async function serveTcp({ stream, header, service, ending, log }: ServeOptions): Promise<ServeEnd> {
  stream.on('error', heard)
  const fields = { proxy: header.proxy, visitor: hostPort(header.visitor.host, header.visitor.port) }
  let socket: Socket
  try {
    socket = await dialService(service, stream, ending)
  } catch (error) {
    log('warn', (error as Error).message, fields)
    stream.reset(StreamReset.serviceUnreachable)
    return isPetrelError(error, 'aborted') ? 'aborted' : 'unreachable'
  }
  if (service.proxyProtocol) socket.write(proxyProtocolHeader(header.visitor, socket))
  const { serviceGone } = StreamReset
  const end = await pump(socket, stream, { goneCode: serviceGone, idleTimeoutMs: service.idleTimeoutMs, ending })
  log('debug', `connection ended: ${end.how}`, { ...fields, error: end.error?.message })
  return end.how
}

class TcpExposure implements Exposure {
  readonly counters: TcpCounters = {
    accepted: 0,
    refusedDenied: 0,
    refusedProxyFull: 0,
    refusedSourceFull: 0,
    refusedNoStream: 0,
    endedClean: 0,
    endedVisitorBroke: 0,
    endedStreamBroke: 0,
    endedIdle: 0,
    endedAborted: 0,
    receivedBytes: 0,
    sentBytes: 0,
  }
  address: Address
  private readonly server: Server
  private readonly visitors: Visitors
  private readonly carrying = new Set<Promise<void>>()
  private readonly ending = new Ending()
  private readonly idleTimeoutMs: number
  private closed: Promise<void> | undefined

  constructor(
    private readonly spec: ProxySpec,
    private readonly to: StreamOpener,
    private readonly on: PublicSide,
  ) {
    this.address = { host: spec.bindAddress ?? on.bindAddress, port: on.port }
    this.visitors = new Visitors(spec, on.limits)
    this.idleTimeoutMs = Math.min(spec.idleTimeoutMs ?? on.limits.idleTimeoutMs, on.limits.idleTimeoutMs)
    this.server = createServer({
      allowHalfOpen: true,
      // Nothing is read before there is a stream to take it.
      pauseOnConnect: true,
      noDelay: spec.noDelay ?? true,
      highWaterMark: limits.proxy.socketBufferBytes,
    })
    this.server.on('connection', (socket) => this.accept(socket))
  }

  get active(): number {
    return this.visitors.active
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      const onError = (cause: Error): void => reject(listenError('tcp', this.address, cause))
      this.server.once('error', onError)
      this.server.listen({ ...this.address }, () => {
        const { address: host, port } = this.server.address() as AddressInfo
        this.address = { host, port }
        this.server.off('error', onError)
        // From now on errors are of accept(): out of descriptors, mostly. The port stays open.
        this.server.on('error', (error) => this.on.log('warn', `cannot accept a visitor: ${error.message}`))
        resolve()
      })
    })
  }

  /** Stops accepting at once; connections that wait in the system's backlog are refused by it. */
  async drain(signal: AbortSignal): Promise<void> {
    const abort = (): void => this.ending.end()
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    this.closed ??= new Promise((resolve) => this.server.close(() => resolve()))
    await this.closed
    await Promise.all(this.carrying)
    signal.removeEventListener('abort', abort)
  }

  close(): Promise<void> {
    return this.drain(AbortSignal.abort())
  }

  /** Must not await: one slow visitor would hold up all others. */
  private accept(socket: Socket): void {
    socket.on('error', heard)
    hearResets(socket)
    const host = socket.remoteAddress
    // Without an address it has gone already.
    if (host === undefined || this.isRefused(host)) {
      abortSocket(socket)
      return
    }
    this.counters.accepted++
    const carried = this.carry(socket, host).finally(() => {
      this.visitors.leave(host)
      this.carrying.delete(carried)
    })
    this.carrying.add(carried)
  }

  private isRefused(host: string): boolean {
    const refusal = this.visitors.enter(host)
    if (refusal !== undefined) this.counters[refusedCounter[refusal]]++
    return refusal !== undefined
  }

  private async carry(socket: Socket, host: string): Promise<void> {
    const visitor = { host: plainAddress(host), port: socket.remotePort ?? 0 }
    try {
      const stream = await this.to.open(this.spec.name, visitor, this.ending.signal)
      const goneCode = StreamReset.visitorGone
      const { idleTimeoutMs, ending } = this
      const end = await pump(socket, stream, { goneCode, idleTimeoutMs, ending })
      this.counters[endedCounter[end.how]]++
      this.counters.receivedBytes += socket.bytesRead
      this.counters.sentBytes += socket.bytesWritten
    } catch (error) {
      this.counters.refusedNoStream++
      abortSocket(socket)
      const fields = { proxy: this.spec.name, visitor: hostPort(visitor.host, visitor.port) }
      this.on.log('debug', `no stream for a visitor: ${(error as Error).message}`, fields)
    }
  }
}

/** An 'error' event that nobody hears ends the process. */
function heard(): void {}

const endedCounter = {
  clean: 'endedClean',
  socket_broke: 'endedVisitorBroke',
  stream_broke: 'endedStreamBroke',
  idle: 'endedIdle',
  aborted: 'endedAborted',
} as const satisfies Record<PumpEnd['how'], keyof TcpCounters>
