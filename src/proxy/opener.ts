// The server's end of a link: opens data streams and flows on it.

import { setMaxListeners } from 'node:events'
import { PetrelError } from '../base/errors.js'
import type { Address, Link } from '../transport/transport.js'
import { encodeHeader } from '../wire/headers.js'
import { type Carrier, flowCounters } from './carrier.js'
import { DatagramCarrier } from './datagram-carrier.js'
import { FlowTable } from './flow-table.js'
import type { Flow, FlowEvents, LinkOpener } from './proxy.js'
import { StreamCarrier } from './stream-carrier.js'

/** Makes the opener of a link; from then on it is the one reader of the link's datagrams. */
export function makeOpener(link: Link): LinkOpener {
  let nextId = 1
  const takeId = (): number => {
    const id = nextId
    nextId = (nextId + 1) >>> 0
    return id
  }
  const flows = new ServerFlows(link, takeId)
  return {
    flows,
    flowCounters: flows.counters,
    close: () => flows.close(),
    async open(proxy, visitor, signal) {
      const stream = await link.open(signal)
      stream.write(encodeHeader({ streamId: takeId(), proxy, visitor }))
      return stream
    },
  }
}

const noVisitor: Address = { host: '0.0.0.0', port: 0 }

class ServerFlows {
  readonly counters = flowCounters()
  private current: { readonly carrier: Carrier; readonly table: FlowTable } | undefined
  private readonly ending = new AbortController()

  constructor(
    private readonly link: Link,
    private readonly takeId: () => number,
  ) {
    setMaxListeners(0, this.ending.signal)
    if (link.datagrams !== undefined) this.current = this.overDatagrams(link.datagrams)
    void link.closed.then(() => this.close())
  }

  open(proxy: string, visitor: Address, events: FlowEvents): Flow {
    if (this.ending.signal.aborted) throw new PetrelError('closed', 'us', 'the link of this flow has ended')
    this.current ??= this.overStream()
    return this.current.table.open({ streamId: this.takeId(), proxy, visitor }, events)
  }

  close(): void {
    this.ending.abort()
    this.current?.carrier.end()
    this.current?.table.ended()
  }

  private overDatagrams(datagrams: NonNullable<Link['datagrams']>) {
    const carrier = new DatagramCarrier(datagrams, this.counters)
    const table = new FlowTable(carrier, this.counters)
    void carrier.run(table)
    return { carrier, table }
  }

  /** One stream for all flows; when it breaks its flows end, and the next flow opens another. */
  private overStream() {
    const carrier = new StreamCarrier(this.counters)
    const table = new FlowTable(carrier, this.counters)
    const current = { carrier, table }
    const ended = (): void => {
      if (this.current === current) this.current = undefined
      table.ended()
    }
    const header = encodeHeader({ streamId: this.takeId(), proxy: '', visitor: noVisitor })
    this.link.open(this.ending.signal).then(
      (stream) => {
        stream.write(header)
        carrier.start(stream, header.length, {
          knows: (flow) => table.knows(flow),
          receive: (message) => table.receive(message),
          ended,
        })
      },
      () => {
        carrier.end()
        ended()
      },
    )
    return current
  }
}
