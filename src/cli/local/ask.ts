// Asks the running petrels of this user over their control sockets.

import { connect } from 'node:net'
import { PetrelError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { type Place, removeStale } from './folder.js'
import { encodeRequest, type Request } from './request.js'

/** The line that it answers; undefined: no petrel is there (a socket that one left behind is removed). Errors:
 *  timeout, unreachable (it hung up), limit_exceeded. */
export async function ask(place: Place, request: Request): Promise<string | undefined> {
  try {
    return await exchange(place, encodeRequest(request), limits.local.answerMs[request])
  } catch (error) {
    if (!isNobody(error)) throw error
    removeStale(place)
    return undefined
  }
}

/** Whether somebody listens there. */
export async function isListening(place: Place): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(place.path, () => socket.destroy())
    let hasFailed = false
    socket.on('error', (error) => {
      hasFailed = isNobody(error)
    })
    socket.once('close', () => resolve(!hasFailed))
  })
}

const isNobody = (error: unknown): boolean =>
  ['ECONNREFUSED', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')

/** Sends a line and returns the one that comes back. */
function exchange({ path, pid }: Place, line: string, answerMs: number): Promise<string> {
  const { answerBytes } = limits.local
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    let bytes = 0
    const socket = connect(path, () => socket.write(line))
    const fail = (error: Error) => {
      reject(error)
      socket.destroy()
    }
    const timer = setTimeout(
      () => fail(new PetrelError('timeout', 'us', `petrel with pid ${pid} did not answer within ${answerMs} ms`)),
      answerMs,
    )
    socket.on('data', (piece: Buffer) => {
      pieces.push(piece)
      bytes += piece.length
      if (bytes <= answerBytes) return
      fail(
        new PetrelError('limit_exceeded', 'us', `petrel with pid ${pid} answers with more than ${answerBytes} bytes`),
      )
    })
    const hungUp = (cause?: Error) =>
      new PetrelError('unreachable', 'us', `petrel with pid ${pid} hung up: it is busy or ending, ask again`, { cause })
    socket.on('error', (error) => fail(isNobody(error) ? error : hungUp(error)))
    socket.once('close', () => {
      clearTimeout(timer)
      const text = Buffer.concat(pieces).toString()
      if (text.endsWith('\n')) resolve(text)
      else reject(hungUp())
    })
  })
}
