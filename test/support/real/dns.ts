// A tiny DNS server for tests: it answers A and TXT questions for names that carry their answer, so that an answer which
// belongs to another question shows. RFC 1035 §4; no compression but the usual pointer to the question.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'

export interface DnsServer {
  readonly port: number
  readonly questions: number
}

const typeA = 1
const typeTxt = 16

/** The address that q<n>.petrel.test has. */
export const addressOf = (n: number): string => `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`

export async function startDns(t: ExecutionContext): Promise<DnsServer> {
  const socket = createSocket('udp4')
  let questions = 0
  socket.on('message', (query, from) => {
    const answer = reply(query)
    if (answer === undefined) return
    questions++
    socket.send(answer, from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.teardown(() => void socket.close())
  const { port } = socket.address()
  return {
    port,
    get questions() {
      return questions
    },
  }
}

function reply(query: Buffer): Buffer | undefined {
  const labels: string[] = []
  let at = 12
  while (query[at] !== 0) {
    const length = query[at]
    if (length === undefined || length > 63) return undefined
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  const type = query.readUInt16BE(at + 1)
  const n = Number(/^q(\d+)$/.exec(labels[0] ?? '')?.[1])
  if (Number.isNaN(n) || (type !== typeA && type !== typeTxt)) return undefined
  const data = type === typeA ? Buffer.from(addressOf(n).split('.').map(Number)) : text(`this is ${n}`)
  const header = Buffer.alloc(12)
  query.copy(header, 0, 0, 2)
  header.writeUInt16BE(0x8580, 2) // an answer, authoritative, without error
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(1, 6)
  const record = Buffer.alloc(12)
  record.writeUInt16BE(0xc00c, 0) // the question's name
  record.writeUInt16BE(type, 2)
  record.writeUInt16BE(1, 4)
  record.writeUInt32BE(60, 6)
  record.writeUInt16BE(data.length, 10)
  return Buffer.concat([header, query.subarray(12, at + 5), record, data])
}

const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)])
