// A process of its own: visitors who transfer and who wait for echoes. Takes one task at a time over the channel to its
// parent and answers with what was seen.

import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { chunkBytes, download, echo, isRight, order, receiptBytes, upload } from './exchange.js'
import type { Seen } from './figures.js'
import { open } from './open.js'
import { send } from './send.js'

export interface Task {
  readonly kind: 'download' | 'upload' | 'ping'
  readonly port: number
  readonly connections: number
  /** download, upload: all connections together. */
  readonly bytes: number
  /** ping: how long. */
  readonly ms: number
}

/** Settles when the connection is closed; rejects when it ended before `isDone`. */
function closed(socket: Socket, isDone: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('end', () => socket.end())
    socket.once('close', () => (isDone() ? resolve() : reject(new Error('the connection ended early'))))
  })
}

async function downloadOne(port: number, bytes: number): Promise<number> {
  let received = 0
  const socket = open(port, chunkBytes, (chunk, length) => {
    if (!isRight(chunk, received, length)) socket.destroy(new Error(`wrong bytes near ${received}`))
    received += length
    if (received >= bytes) socket.end()
  })
  socket.write(order(download, bytes))
  await closed(socket, () => received >= bytes)
  return received
}

async function uploadOne(port: number, bytes: number): Promise<number> {
  const receipt = Buffer.alloc(receiptBytes)
  let have = 0
  const socket = open(port, 1024, (chunk, length) => {
    receipt.set(chunk.subarray(0, Math.min(length, receiptBytes - have)), have)
    have += length
    if (have >= receiptBytes) socket.end()
  })
  socket.write(order(upload, bytes))
  send(socket, bytes)
  await closed(socket, () => have >= receiptBytes)
  return Number(receipt.readBigUInt64BE())
}

async function ping(port: number, until: number, tookUs: number[]): Promise<void> {
  const byte = Buffer.of(1)
  let sentAt = 0
  const next = () => {
    sentAt = performance.now()
    socket.write(byte)
  }
  const socket = open(port, 16, (_chunk, length) => {
    const now = performance.now()
    if (length !== 1) socket.destroy(new Error(`${length} bytes came back for one`))
    tookUs.push((now - sentAt) * 1000)
    if (now < until) next()
    else socket.end()
  })
  socket.once('connect', () => {
    socket.write(Buffer.of(echo))
    next()
  })
  await closed(socket, () => tookUs.length > 0)
}

async function perform(task: Task): Promise<Seen> {
  const tookUs: number[] = []
  let count = 0
  let errors = 0
  let error: string | undefined
  const started = performance.now()
  const until = started + task.ms
  const attempt = async (work: () => Promise<number>) => {
    try {
      const more = await work()
      count += more
    } catch (cause) {
      errors++
      error ??= String(cause)
    }
  }
  const share = Math.floor(task.bytes / task.connections)
  const one = {
    download: () => attempt(() => downloadOne(task.port, share)),
    upload: () => attempt(() => uploadOne(task.port, share)),
    ping: () =>
      attempt(async () => {
        await ping(task.port, until, tookUs)
        return tookUs.length
      }),
  }[task.kind]
  await Promise.all(Array.from({ length: task.connections }, one))
  const ms = performance.now() - started
  tookUs.sort((a, b) => a - b)
  return { ms, count, errors, error, tookUs }
}

process.on('message', (task: Task) => {
  void perform(task).then((seen) => process.send?.(seen))
})
process.once('disconnect', () => process.exit())
