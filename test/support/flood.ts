// A process that floods a server with packets of strangers from many networks: `flood.js FILE`, which holds the settings.
// Prints one line of JSON when it is over.

import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { answerKind, openFirst, sealFirst, unsealedFirst } from './kcp-packets.js'

export interface FloodSettings {
  readonly port: number
  /** 'first': half of them sealed as a dialler seals them, half garbage behind a right header. 'random': anything. */
  readonly kind: 'first' | 'random'
  readonly packets: number
  readonly aSecond: number
  /** A dialler's first packet, base64; for 'first'. */
  readonly flight?: string
  /** Sockets on 127.0.0.0/8, each in a network of its own. */
  readonly sources: number
}

export interface FloodReport {
  readonly sent: number
  readonly seconds: number
  /** What came back, by kind. */
  readonly answers: Readonly<Record<string, number>>
  readonly mostASecond: number
  /** Answers that were not shorter than everything that this source had sent. */
  readonly tooLong: number
  /** The worst ratio of bytes that came to bytes that went, of any source. */
  readonly amplification: number
}

interface Source {
  readonly socket: Socket
  /** Of each packet from here, in 'random'; 0: they differ. */
  readonly bytes: number
  sent: number
  received: number
}

const turnMs = 5
const pool = 4_096
const sizes = [24, 26, 40, 60, 200, 600, 1_200, 1_400]

const settings = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as FloodSettings
const answers: Record<string, number> = {}
const bySecond = new Map<number, number>()
let tooLong = 0

const sources: Source[] = []
for (let n = 0; n < settings.sources; n++) {
  const socket = createSocket('udp4').on('error', () => {})
  socket.bind(0, `127.${1 + (n >> 8)}.${n & 255}.1`)
  await once(socket, 'listening')
  const source: Source = {
    socket,
    bytes: settings.kind === 'first' ? 0 : sizes[n % sizes.length]!,
    sent: 0,
    received: 0,
  }
  sources.push(source)
  socket.on('message', (packet) => {
    source.received += packet.length
    const kind = answerKind(packet)
    answers[kind] = (answers[kind] ?? 0) + 1
    if (packet.length >= source.bytes) tooLong++
    const second = Math.floor(performance.now() / 1000)
    bySecond.set(second, (bySecond.get(second) ?? 0) + 1)
  })
}

const packets = settings.kind === 'first' ? firstPackets() : undefined
const noise = randomBytes(1 << 24)

function firstPackets(): Buffer[] {
  const first = openFirst(Buffer.from(settings.flight ?? '', 'base64'))
  return Array.from({ length: pool }, (_, n) =>
    n % 2 === 0 ? sealFirst({ ...first, to: randomBytes(8), counter: 0n }) : unsealedFirst(),
  )
}

function next(source: Source): Buffer {
  if (packets !== undefined) return packets[Math.floor(Math.random() * pool)]!
  const from = Math.floor(Math.random() * (noise.length - source.bytes))
  return noise.subarray(from, from + source.bytes)
}

const began = performance.now()
let sent = 0
await new Promise<void>((resolve) => {
  const timer = setInterval(() => {
    const due = Math.min(settings.packets, ((performance.now() - began) / 1000) * settings.aSecond)
    // What a busy machine has not let out is not made up for: a flood has no bursts of seconds.
    for (let most = (settings.aSecond * turnMs * 4) / 1000; sent < due && most > 0; sent++, most--) {
      const source = sources[Math.floor(Math.random() * sources.length)]!
      const packet = next(source)
      source.sent += packet.length
      source.socket.send(packet, settings.port, '127.0.0.1')
    }
    if (sent < settings.packets) return
    clearInterval(timer)
    resolve()
  }, turnMs)
})
const seconds = (performance.now() - began) / 1000
// What a server says late, to those who never answer, counts as well.
await new Promise((resolve) => setTimeout(resolve, 2_000))
const report: FloodReport = {
  sent,
  seconds,
  answers,
  mostASecond: Math.max(0, ...bySecond.values()),
  tooLong,
  amplification: Math.max(0, ...sources.filter(({ sent }) => sent > 0).map((each) => each.received / each.sent)),
}
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0))
