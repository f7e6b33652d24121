// curl of bodies whose end is told by a chunk and by the end of the connection; and of ones that are cut.

import type { Socket } from 'node:net'
import { overEachAndAuto } from '../support/over.js'
import { run } from '../support/programs.js'
import { sha256 } from '../support/real/files.js'
import { pattern } from '../support/stream-ends.js'
import { tcpServer } from '../support/tcp.js'
import { startTwoProcesses } from '../support/two-processes.js'

const body = pattern(8 * 1024 * 1024)
const head = 'HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n'
const size = 10_007

/** A web server that speaks by hand, so that each body ends in just the way that its path names. */
function answer(socket: Socket, path: string): void {
  const chunked = path.includes('chunked')
  const cut = path.includes('cut')
  socket.write(`${head}${chunked ? 'Transfer-Encoding: chunked' : 'Connection: close'}\r\n\r\n`)
  for (let at = 0; at < (cut ? body.length / 2 : body.length); at += size) {
    const piece = body.subarray(at, at + size)
    socket.write(chunked ? Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, crlf]) : piece)
  }
  if (cut) socket.write('', () => socket.resetAndDestroy())
  else if (chunked) socket.write('0\r\n\r\n')
  else socket.end()
}
const crlf = Buffer.from('\r\n')

overEachAndAuto(
  'curl has a chunked and a close-delimited body whole, and hears of each that is cut',
  async (t, over) => {
    const service = await tcpServer((socket) => {
      let request = ''
      socket.on('data', (chunk) => {
        request += chunk
        const path = /^GET (\S+) HTTP[\s\S]*\r\n\r\n$/.exec(request)?.[1]
        if (path === undefined) return
        request = ''
        answer(socket, path)
      })
      socket.on('end', () => socket.end())
    })
    t.teardown(() => service.close())
    const { ports } = await startTwoProcesses(t, over, [{ type: 'tcp', port: service.port }])
    const url = `http://127.0.0.1:${ports[0]}`
    // Both chunked ones on one connection: the second needs the first one's end to be where it belongs.
    for (const paths of [['/chunked', '/chunked'], ['/closed'], ['/closed', '/chunked']]) {
      const ended = await run(t, 'curl', ['-sS', '--noproxy', '*', ...paths.map((path) => `${url}${path}`)])
      t.is(ended.code, 0, ended.stderr)
      t.is(sha256(ended.stdout), sha256(Buffer.concat(paths.map(() => body))), `${paths}`)
    }
    for (const path of ['/chunked-cut', '/closed-cut']) {
      const { code, stderr } = await run(t, 'curl', ['-sS', '--noproxy', '*', '-o', '/dev/null', `${url}${path}`])
      t.is(code, 56, `${path}: ${stderr}`)
    }
  },
  { programs: ['curl'] },
)
