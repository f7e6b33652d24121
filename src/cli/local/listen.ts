// A running petrel's control socket: answers `petrel status`, `petrel reload` and `petrel server --print-join`. Whoever
// talks to it is this user, but may be anything: requests are short, few and in time, and no fault of theirs or ours
// here stops petrel.

import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { limits } from '../../base/limits.js'
import type { Log } from '../../base/log.js'
import type { Folders } from '../../config/home.js'
import { redact } from '../redact.js'
import { isListening } from './ask.js'
import { ownPlace, type Role, removeStale } from './folder.js'
import { type Request, readRequest } from './request.js'

/** What this role answers; it does not know the other requests. */
export type Answers = { readonly [request in Request]?: () => object | Promise<object> }

export interface Local {
  /** Nobody is served any more, and the socket's file is gone. */
  close(): void
}

const nothing: Local = { close: () => {} }

/** Never rejects: without a socket petrel runs all the same, and one warning says why. Does not keep the process alive. */
export async function openLocal(role: Role, answers: Answers, folders: Folders, log: Log): Promise<Local> {
  if (process.platform === 'win32') return nothing
  try {
    return await listen(role, answers, folders, log)
  } catch (error) {
    log.warn(`no control socket, so \`petrel status\` will not find this process: ${(error as Error).message}`)
    return nothing
  }
}

async function listen(role: Role, answers: Answers, folders: Folders, log: Log): Promise<Local> {
  const place = ownPlace(role, folders)
  // A process that is gone may have had the same number.
  if (!(await isListening(place))) removeStale(place)
  const server = createServer((socket) => serve(socket, answers, log))
  server.maxConnections = limits.local.connections
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(place.path, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', (error) => log.debug({ err: error }, 'control socket'))
  server.unref()
  const remove = () => rmSync(place.path, { force: true })
  process.once('exit', remove)
  try {
    chmodSync(place.path, 0o600)
  } catch (error) {
    server.close()
    throw error
  }
  return {
    close: () => {
      process.off('exit', remove)
      server.close() // removes the file
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Reads one line, answers it, lets go. */
function serve(socket: Socket, answers: Answers, log: Log): void {
  let timer = setTimeout(() => socket.destroy(), limits.local.requestMs)
  let text = ''
  socket.unref()
  socket.setEncoding('latin1')
  socket.on('error', () => {}) // gone before it was answered
  socket.on('close', () => clearTimeout(timer))
  const onData = (chunk: string) => {
    text += chunk
    const end = text.indexOf('\n')
    if (end > limits.local.requestBytes || (end < 0 && text.length > limits.local.requestBytes)) {
      socket.destroy()
      return
    }
    if (end < 0) return
    // What follows stays in the system's buffer and is never read.
    socket.off('data', onData).pause()
    clearTimeout(timer)
    timer = setTimeout(() => socket.destroy(), limits.local.answerMs.reload)
    void answer(text.slice(0, end), answers, log).then((line) => socket.end(line, () => socket.destroy()))
  }
  socket.on('data', onData)
}

/** One line. Never rejects. */
async function answer(line: string, answers: Answers, log: Log): Promise<string> {
  const request = readRequest(line)
  const tell = request && answers[request]
  if (request === undefined || tell === undefined)
    return `${JSON.stringify({ error: 'this petrel does not know that request' })}\n`
  try {
    const said = await tell()
    // Each string by itself: what is cut out of one must not take the rest of the document with it. A join string is
    // asked for because of its secret, by the user who can read the files that it comes from.
    const plain = (_key: string, value: unknown) =>
      typeof value === 'string' && request !== 'join' ? redact(value) : value
    return `${JSON.stringify({ [request]: said }, plain)}\n`
  } catch (error) {
    log.error({ err: error }, `the answer to \`petrel ${request}\` failed`)
    return `${JSON.stringify({ error: 'this petrel failed: see its log' })}\n`
  }
}
