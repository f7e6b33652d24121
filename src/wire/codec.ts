// Messages to bytes and back (PROTOCOL.md, "Control stream"). Pure. decode* throw protocol_violation on anything that
// is not exactly one message; encode* return a whole frame, length included.

import type { ErrorCode } from '../base/errors.js'
import { FieldReader, FieldWriter, malformed } from './fields.js'
import {
  type Accepted,
  AuthMethod,
  type Hello,
  type Message,
  MessageType,
  magic,
  type Refused,
  type Register,
  type Registered,
  refusalCodes,
} from './messages.js'
import { optionsFrom, writeOptions } from './options.js'

/** "GRT1" | u16 length | u8 method | clientId 16 | dialId 16 | for a token: id 8 | proof 32. */
export function encodeHello({ clientId, dialId, token }: Hello): Buffer {
  const body = new FieldWriter()
    .u8(token ? AuthMethod.token : AuthMethod.mtls)
    .bytes(clientId)
    .bytes(dialId)
  if (token) body.bytes(token.id).bytes(token.proof)
  return Buffer.concat([magic, framed(body.done())])
}

/** bytes: what follows the length. */
export function decodeHello(bytes: Uint8Array): Hello {
  const reader = new FieldReader(bytes)
  const method = reader.u8()
  if (method !== AuthMethod.token && method !== AuthMethod.mtls) throw malformed(`authentication method ${method}`)
  const clientId = reader.bytes(16)
  const dialId = reader.bytes(16)
  const token = method === AuthMethod.token ? { id: reader.bytes(8), proof: reader.bytes(32) } : undefined
  reader.end()
  return { clientId, dialId, token }
}

/** u16 length | u8 type | body. */
export function encodeMessage(message: Message): Buffer {
  const writer = new FieldWriter().u8(MessageType[message.type])
  if (message.type === 'register') writeRegister(writer, message)
  if (message.type === 'accepted') {
    writer.bytes(message.sessionId).u8(message.proof.length).bytes(message.proof).shortText(message.clientName)
  }
  if (message.type === 'registered') writer.shortText(message.name).shortText(message.host).u16(message.port)
  if (message.type === 'refused') writeRefused(writer, message)
  return framed(writer.done())
}

/** bytes: one frame without its length. */
export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new FieldReader(bytes)
  const message = decodeBody(reader.u8(), reader)
  reader.end()
  return message
}

function decodeBody(type: number, reader: FieldReader): Message {
  switch (type) {
    case MessageType.register:
      return readRegister(reader)
    case MessageType.accepted:
      return readAccepted(reader)
    case MessageType.registered:
      return readRegistered(reader)
    case MessageType.refused:
      return readRefused(reader)
    case MessageType.heartbeat:
      return { type: 'heartbeat' }
    case MessageType.heartbeatReply:
      return { type: 'heartbeatReply' }
    case MessageType.drain:
      return { type: 'drain' }
    case MessageType.superseded:
      return { type: 'superseded' }
    default:
      throw malformed(`message type ${type}`)
  }
}

function writeRegister(writer: FieldWriter, { proxy, remotePort, localPort, name, options }: Register): void {
  writer
    .u8(proxy === 'tcp' ? 1 : 2)
    .u16(remotePort)
    .u16(localPort)
    .shortText(name)
  writeOptions(writer, options)
}

function readRegister(reader: FieldReader): Register {
  const kind = reader.u8()
  if (kind !== 1 && kind !== 2) throw malformed(`proxy type ${kind}`)
  const remotePort = reader.u16()
  const localPort = reader.u16()
  const name = reader.shortText()
  return {
    type: 'register',
    proxy: kind === 1 ? 'tcp' : 'udp',
    remotePort,
    localPort,
    name,
    options: optionsFrom(reader),
  }
}

function readAccepted(reader: FieldReader): Accepted {
  const sessionId = reader.bytes(16)
  const proof = reader.bytes(reader.u8())
  return { type: 'accepted', sessionId, proof, clientName: reader.shortText() }
}

const readRegistered = (reader: FieldReader): Registered => ({
  type: 'registered',
  name: reader.shortText(),
  host: reader.shortText(),
  port: reader.u16(),
})

const longestText = 1000

function writeRefused(writer: FieldWriter, { code, name, text }: Refused): void {
  writer
    .u16(refusalCodes[code] ?? refusalCodes.internal ?? 0)
    .shortText(name)
    .longText(text.slice(0, longestText))
}

function readRefused(reader: FieldReader): Refused {
  const number = reader.u16()
  const known = Object.entries(refusalCodes).find(([, value]) => value === number)
  return {
    type: 'refused',
    code: (known?.[0] ?? 'internal') as ErrorCode,
    name: reader.shortText(),
    text: reader.longText(),
  }
}

const framed = (body: Buffer): Buffer => Buffer.concat([new FieldWriter().u16(body.length).done(), body])
