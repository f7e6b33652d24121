// Real sockets for tests: a listening server on loopback, a connected client, what each of them saw.

import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net'
import { hearResets } from '../../src/proxy/socket.js'

export interface TestServer {
  readonly port: number
  readonly sockets: Socket[]
  close(): Promise<void>
}

/** Serves each connection with `onSocket`, half-open capable; errors of the sockets are left to `onSocket` to see. */
export async function tcpServer(onSocket: (socket: Socket) => void, host = '127.0.0.1'): Promise<TestServer> {
  const sockets: Socket[] = []
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    hearResets(socket)
    sockets.push(socket)
    onSocket(socket)
  })
  server.listen(0, host)
  await once(server, 'listening')
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  }
  return { port: (server.address() as AddressInfo).port, sockets, close }
}

/** Resolves once connected, or refused: readAll tells. */
export async function tcpConnect(port: number, host = '127.0.0.1', localAddress?: string): Promise<Socket> {
  const socket = createConnection({ host, port, allowHalfOpen: true, ...(localAddress ? { localAddress } : {}) })
  hearResets(socket)
  await new Promise<void>((resolve) => {
    socket.on('connect', resolve)
    socket.on('error', () => resolve())
  })
  return socket
}

export interface Seen {
  readonly bytes: Buffer
  /** 'end' for FIN, else the error's code, or 'closed' without either. */
  readonly how: string
}

/** Everything that comes until the peer's FIN, an error or the close. */
export function readAll(socket: Socket): Promise<Seen> {
  const chunks: Buffer[] = []
  return new Promise((resolve) => {
    const settle = (how: string): void => resolve({ bytes: Buffer.concat(chunks), how })
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.once('end', () => settle('end'))
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message))
    socket.once('close', () => settle('closed'))
    if (socket.destroyed) settle((socket.errored as NodeJS.ErrnoException | null)?.code ?? 'closed')
  })
}
