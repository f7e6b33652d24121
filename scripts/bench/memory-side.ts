// A process of its own, with --expose-gc: one end of links that do nothing, and what it weighs. Does one order at a time,
// given over the channel to its parent, and answers each. A stream counts once a byte has gone there and come back.

import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { limits } from '../../src/base/limits.js'
import { pemPin } from '../../src/base/pin.js'
import { makeCredentials } from '../../src/cli/certificate.js'
import { transportByName } from '../../src/transport/index.js'
import type { Address, Link, Stream, TransportName } from '../../src/transport/transport.js'

export type Order =
  | { readonly kind: 'listen'; readonly transport: TransportName }
  /** So many more links. */
  | { readonly kind: 'dial'; readonly transport: TransportName; readonly to: Meeting; readonly links: number }
  /** So many more streams on each of the last links that were dialled. */
  | { readonly kind: 'open'; readonly links: number; readonly streams: number }
  | { readonly kind: 'weigh' }

/** Where a listener is and whom to expect there. */
export interface Meeting {
  readonly address: Address
  readonly pin: readonly number[]
}

/** Everything that is there now; the streams include those that the peer opened. */
export interface Weight {
  readonly links: number
  readonly streams: number
  readonly residentBytes: number
  /** What V8 manages: objects, and buffers outside of its heap. */
  readonly heapBytes: number
}

export interface Answer {
  readonly meeting?: Meeting
  readonly weight?: Weight
  /** The order failed. */
  readonly error?: string
}

/** Handshakes at once: few enough that no listener asks for a proof of address. */
const atOnce = 8
/** Readings of which the smallest counts: garbage and other people's work only add to it. */
const readings = 10
const readingMs = 200

const links: Link[] = []
const streams: Stream[] = []

async function listen(transport: TransportName): Promise<Meeting> {
  const credentials = await makeCredentials('localhost')
  const listener = await transportByName(transport).listen({ host: '127.0.0.1', port: 0 }, { credentials })
  const accept = async () => {
    for await (const link of listener) {
      links.push(link)
      link.raiseLimits(limits.link.authenticated)
      void echo(link)
    }
  }
  void accept()
  return { address: listener.address, pin: [...pemPin(credentials.certificate)] }
}

async function echo(link: Link): Promise<void> {
  for await (const stream of link) {
    streams.push(stream)
    stream.on('data', (bytes) => stream.write(bytes))
  }
}

async function dial(transport: TransportName, to: Meeting, count: number): Promise<void> {
  let left = count
  const one = async () => {
    while (left > 0) {
      left--
      const trust = { kind: 'pin' as const, pin: Uint8Array.from(to.pin) }
      links.push(await transportByName(transport).dial(to.address, { trust }))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
}

async function open(count: number, each: number): Promise<void> {
  for (const link of links.slice(-count)) {
    const opened = Array.from({ length: each }, async () => {
      const stream = await link.open()
      streams.push(stream)
      stream.resume().write(Buffer.of(1))
      await once(stream, 'data')
    })
    await Promise.all(opened)
  }
}

async function weigh(): Promise<Weight> {
  const collect = globalThis.gc
  if (collect === undefined) throw new Error('this process needs --expose-gc')
  let [residentBytes, heapBytes] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let reading = 0; reading < readings; reading++) {
    await wait(readingMs)
    collect()
    const { rss, heapUsed, external } = process.memoryUsage()
    residentBytes = Math.min(residentBytes, rss)
    heapBytes = Math.min(heapBytes, heapUsed + external)
  }
  return { links: links.length, streams: streams.length, residentBytes, heapBytes }
}

async function obey(order: Order): Promise<Answer> {
  switch (order.kind) {
    case 'listen':
      return { meeting: await listen(order.transport) }
    case 'dial':
      await dial(order.transport, order.to, order.links)
      return {}
    case 'open':
      await open(order.links, order.streams)
      return {}
    case 'weigh':
      return { weight: await weigh() }
  }
}

process.on('message', (order: Order) => {
  obey(order)
    .catch((error): Answer => ({ error: error instanceof Error ? error.message : String(error) }))
    .then((answer) => process.send?.(answer))
})
process.once('disconnect', () => process.exit())
