// A process of its own in a network namespace: `echo HOST PORT` sends every datagram back and says `ready`; `probe HOST PORT
// COUNT PER_MS` sends numbered ones and prints, as JSON, how long each took that came back.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'

const [role = '', host = '', port = '0', count = '0', perMs = '1'] = process.argv.slice(2)
/** After the last one: nothing more comes. */
const silenceMs = 1_000

const socket = createSocket('udp4')
socket.on('error', () => {}) // refused while nobody listens there

if (role === 'echo') {
  socket.on('message', (payload, from) => socket.send(payload, from.port, from.address))
  socket.bind(Number(port), host, () => console.log('ready'))
} else {
  const sentAt: number[] = []
  const tookMs: number[] = []
  let last = performance.now()
  socket.on('message', (payload) => {
    last = performance.now()
    tookMs.push(last - (sentAt[payload.readUInt32BE()] ?? last))
  })
  socket.bind(0)
  await once(socket, 'listening')
  for (let number = 0; number < Number(count); number++) {
    const payload = Buffer.alloc(100)
    payload.writeUInt32BE(number)
    sentAt.push(performance.now())
    socket.send(payload, Number(port), host)
    if (number % Number(perMs) === 0) await wait(1)
  }
  last = performance.now()
  while (tookMs.length < Number(count) && performance.now() - last < silenceMs) await wait(20)
  console.log(JSON.stringify(tookMs))
  socket.close()
}
