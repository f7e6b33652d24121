// The client's way to its service: one TCP connection, with a deadline.

import { createConnection, type Socket } from 'node:net'
import type { Ending } from '../base/ending.js'
import { PetrelError } from '../base/errors.js'
import { hostPort } from '../base/ip.js'
import { limits } from '../base/limits.js'
import type { Stream } from '../transport/transport.js'
import type { Service } from './proxy.js'
import { hearResets } from './socket.js'

/** Resolves with a connected socket, paused and half-open capable. Errors: service_unreachable (refused, no such name,
 *  deadline), aborted (we are ending, or the stream ended meanwhile); nothing is left of the attempt then. */
export function dialService(service: Service, stream: Stream, ending?: Ending): Promise<Socket> {
  const { host, port, noDelay, connectTimeoutMs } = service
  // A variable of its own: the types of Node 20 do not list highWaterMark, which net.Socket hands to its Duplex.
  const options = {
    host,
    port,
    noDelay,
    allowHalfOpen: true,
    readableHighWaterMark: limits.proxy.socketBufferBytes,
    writableHighWaterMark: limits.proxy.serviceBufferBytes,
  }
  const socket = createConnection(options)
  hearResets(socket)
  return new Promise((resolve, reject) => {
    const settle = (error?: PetrelError): void => {
      clearTimeout(timer)
      socket.off('connect', onConnect)
      stream.off('close', onGone)
      ending?.off(onGone)
      if (error === undefined) {
        resolve(socket)
        return
      }
      socket.destroy()
      reject(error)
    }
    const unreachable = (why: string, cause?: unknown): void => {
      const message = `service ${hostPort(host, port)} cannot be reached: ${why}`
      settle(new PetrelError('service_unreachable', 'network', message, { cause }))
    }
    const onConnect = (): void => settle()
    const onGone = (): void => settle(new PetrelError('aborted', 'us', 'the visitor went away while dialling'))
    const timer = setTimeout(() => unreachable(`no answer within ${connectTimeoutMs} ms`), connectTimeoutMs)
    // Stays for the life of the socket: pump adds its own, and an error that nobody hears ends the process.
    socket.on('error', (error) => unreachable(reason(error), error))
    socket.on('connect', onConnect)
    stream.on('close', onGone)
    ending?.on(onGone)
    if (stream.destroyed) onGone()
  })
}

/** A name with several addresses fails with an AggregateError whose own message is empty. */
const reason = (error: Error): string =>
  error instanceof AggregateError ? error.errors.map((each: Error) => each.message).join('; ') : error.message
