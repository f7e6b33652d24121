// The client's end of a link's flows: takes those that the server opens to their services.

import { limits } from '../base/limits.js'
import type { Line } from '../base/log.js'
import type { Link, Stream } from '../transport/transport.js'
import { type Carrier, flowCounters } from './carrier.js'
import { DatagramCarrier } from './datagram-carrier.js'
import { type AcceptFlow, FlowTable } from './flow-table.js'
import type { Counters, LocalFlows, Service } from './proxy.js'
import { ServiceFlow } from './service-flow.js'
import { StreamCarrier } from './stream-carrier.js'

export interface ServeFlowsOptions {
  readonly link: Pick<Link, 'datagrams' | 'closed'>
  /** The service of a udp proxy of this session; undefined refuses the flow. */
  lookup(proxy: string): Service | undefined
  readonly log: Line
}

/** From then on it is the one reader of the link's datagrams. Ends by itself with the link. */
export function serveFlows(options: ServeFlowsOptions): LocalFlows {
  return new ClientFlows(options)
}

class ClientFlows implements LocalFlows {
  private readonly flowCounters = flowCounters()
  private readonly serviceCounters = { droppedServiceQueue: 0, droppedServiceRefused: 0 }
  /** Each with its proxy's name. */
  private readonly held = new Map<ServiceFlow, string>()
  private readonly carriers = new Set<Carrier>()
  private fromStream: Carrier | undefined
  private isEnded = false
  private readonly waiters: (() => void)[] = []

  constructor(private readonly options: ServeFlowsOptions) {
    const { link } = options
    if (link.datagrams !== undefined) {
      const carrier = new DatagramCarrier(link.datagrams, this.flowCounters)
      this.carriers.add(carrier)
      void carrier.run(new FlowTable(carrier, this.flowCounters, this.accept))
    }
    void link.closed.then(() => this.close())
  }

  get counters(): Counters {
    return { ...this.flowCounters, ...this.serviceCounters }
  }

  get active(): number {
    return this.held.size
  }

  activeOf(proxy: string): number {
    let count = 0
    for (const name of this.held.values()) if (name === proxy) count++
    return count
  }

  /** The newest wins: the server opens another only when it has given the one before up. */
  takeStream(stream: Stream): void {
    this.fromStream?.end()
    const carrier = new StreamCarrier(this.flowCounters)
    const table = new FlowTable(carrier, this.flowCounters, this.accept)
    this.fromStream = carrier
    this.carriers.add(carrier)
    if (this.isEnded) carrier.end()
    carrier.start(stream, 0, {
      knows: (flow) => table.knows(flow),
      receive: (message) => table.receive(message),
      ended: () => {
        this.carriers.delete(carrier)
        table.ended()
      },
    })
  }

  async close(): Promise<void> {
    this.isEnded = true
    for (const flow of this.held.keys()) flow.end()
    for (const carrier of this.carriers) carrier.end()
    this.carriers.clear()
    if (this.held.size > 0) await new Promise<void>((resolve) => this.waiters.push(resolve))
  }

  private readonly accept: AcceptFlow = (header, flow) => {
    // A table counts open flows; half of those here may be closed ones whose service's name is still being looked up,
    // or whose socket is about to go.
    const isFull = this.isEnded || this.held.size >= 2 * limits.proxy.flowsPerLink
    const service = isFull ? undefined : this.options.lookup(header.proxy)
    if (service === undefined) return undefined
    const serviceFlow: ServiceFlow = new ServiceFlow({
      service,
      flow,
      counters: this.serviceCounters,
      log: this.options.log,
      onGone: () => {
        this.held.delete(serviceFlow)
        if (this.held.size === 0) for (const resolve of this.waiters.splice(0)) resolve()
      },
    })
    this.held.set(serviceFlow, header.proxy)
    return serviceFlow
  }
}
