// nc -N ends its own direction first and then wants the whole answer: what tunnels that lose half-close cut off.

import { overEachAndAuto } from '../support/over.js'
import { daemon, freePort, run } from '../support/programs.js'
import { sha256 } from '../support/real/files.js'
import { pattern } from '../support/stream-ends.js'
import { readAll, tcpConnect, tcpServer } from '../support/tcp.js'
import { startTwoProcesses } from '../support/two-processes.js'

overEachAndAuto(
  'printf | nc -N gets its whole answer',
  async (t, over) => {
    const answer = pattern(24 * 1024 * 1024)
    const service = await tcpServer((socket) => {
      const request: Buffer[] = []
      socket.on('data', (chunk) => request.push(chunk))
      socket.on('end', () => socket.end(Buffer.concat([Buffer.concat(request), answer])))
    })
    t.teardown(() => service.close())
    const { ports } = await startTwoProcesses(t, over, [{ type: 'tcp', port: service.port }])
    const small = await run(t, 'sh', ['-c', `printf 'how much?\\n' | nc -N 127.0.0.1 ${ports[0]}`])
    t.is(small.code, 0, small.stderr)
    t.is(sha256(small.stdout), sha256(Buffer.concat([Buffer.from('how much?\n'), answer])))

    const question = pattern(4 * 1024 * 1024, 2)
    const large = await run(t, 'nc', ['-N', '127.0.0.1', `${ports[0]}`], { input: question })
    t.is(large.code, 0, large.stderr)
    t.is(sha256(large.stdout), sha256(Buffer.concat([question, answer])))
  },
  { programs: ['nc'] },
)

overEachAndAuto(
  'nc -N as the service: a visitor hears the end of what it says, and says on',
  async (t, over) => {
    const port = await freePort()
    await daemon(t, 'nc', ['-v', '-N', '-l', '127.0.0.1', `${port}`], /Listening/, 'all of it')
    const { ports } = await startTwoProcesses(t, over, [{ type: 'tcp', port }])
    const visitor = await tcpConnect(ports[0]!)
    const { bytes, how } = await readAll(visitor)
    t.is(`${bytes} ${how}`, 'all of it end')
    visitor.end('bye')
    await new Promise((resolve) => visitor.once('close', resolve))
    t.is(visitor.errored, null)
  },
  { programs: ['nc'] },
)
