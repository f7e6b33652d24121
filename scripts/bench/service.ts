// A process of its own: the service behind every tunnel that is measured. Echoes, sends and counts what it is told to
// (exchange.ts). Arguments: host and port, 127.0.0.1 and any if left out. Prints its port.

import { createServer, type Socket } from 'node:net'
import { count, countEveryMs, download, echo, isRight, orderBytes, receiptBytes, upload } from './exchange.js'
import { send } from './send.js'

const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  let head: Buffer = Buffer.alloc(0)
  const onHead = (chunk: Buffer) => {
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
    const command = head[0]
    if (command !== echo && head.length < orderBytes) return
    socket.off('data', onHead)
    if (command === echo) return startEcho(socket, head.subarray(1))
    const bytes = Number(head.readBigUInt64BE(1))
    if (command === download) return startDownload(socket, bytes)
    if (command === upload) return startUpload(socket, bytes, head.subarray(orderBytes))
    if (command === count) return startCount(socket, head.subarray(orderBytes))
    socket.resetAndDestroy()
  }
  socket.on('data', onHead)
})

function startEcho(socket: Socket, first: Buffer): void {
  if (first.length > 0) socket.write(first)
  socket.on('data', (chunk) => socket.write(chunk))
  socket.on('end', () => socket.end())
}

function startDownload(socket: Socket, bytes: number): void {
  socket.on('end', () => socket.end())
  socket.resume()
  send(socket, bytes)
}

function startUpload(socket: Socket, bytes: number, first: Buffer): void {
  let received = 0
  const take = (chunk: Buffer) => {
    if (!isRight(chunk, received, chunk.length)) socket.resetAndDestroy()
    received += chunk.length
    if (received < bytes) return
    const receipt = Buffer.alloc(receiptBytes)
    receipt.writeBigUInt64BE(BigInt(received))
    socket.write(receipt)
  }
  take(first)
  socket.on('data', take)
  socket.on('end', () => socket.end())
}

function startCount(socket: Socket, first: Buffer): void {
  let received = 0
  const take = (chunk: Buffer) => {
    if (!isRight(chunk, received, chunk.length)) socket.resetAndDestroy()
    received += chunk.length
  }
  take(first)
  const timer = setInterval(() => {
    const receipt = Buffer.alloc(receiptBytes)
    receipt.writeBigUInt64BE(BigInt(received))
    socket.write(receipt)
  }, countEveryMs)
  socket.on('data', take)
  socket.on('end', () => socket.end())
  socket.on('close', () => clearInterval(timer))
}

const [host = '127.0.0.1', port = '0'] = process.argv.slice(2)
server.listen(Number(port), host, 1024, () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(`port ${address.port}`)
})
