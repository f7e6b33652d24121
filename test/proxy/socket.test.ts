import { readdirSync } from 'node:fs'
import test from 'ava'
import { abortSocket } from '../../src/proxy/socket.js'
import { readAll, tcpConnect, tcpServer } from '../support/tcp.js'

test('a RST that comes together with data is an error, whether or not we have ended', async (t) => {
  const server = await tcpServer((socket) => {
    socket.once('data', () => socket.write(Buffer.alloc(1_000), () => abortSocket(socket)))
  })
  for (let round = 0; round < 50; round++) {
    const socket = await tcpConnect(server.port)
    if (round % 2 === 0) socket.end('x')
    else socket.write('x')
    t.is((await readAll(socket)).how, 'ECONNRESET')
  }
  await server.close()
})

test('an abort while a FIN is on its way closes the descriptor', async (t) => {
  const server = await tcpServer((socket) => socket.resume())
  const open = (): number => readdirSync('/proc/self/fd').length
  const rounds = 50
  const before = open()
  for (let round = 0; round < rounds; round++) {
    const socket = await tcpConnect(server.port)
    socket.end('x')
    // The shutdown is asked for in this turn and done in the next: just between.
    while (socket.writableLength > 0)
      await new Promise((resolve) => socket.once('drain', resolve).once('finish', resolve))
    abortSocket(socket)
    await new Promise((resolve) => socket.once('close', resolve))
  }
  await server.close()
  t.true(open() < before + rounds / 2, `${open() - before} descriptors more`)
})
