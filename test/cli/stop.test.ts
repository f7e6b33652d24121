// How the real binary ends: in good order when it can, within its bound when a visitor does not leave, at once when told twice.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import test, { type ExecutionContext } from 'ava'
import { limits } from '../../src/base/limits.js'
import { testFolder } from '../config/folder.js'
import { runPetrel, startPetrel } from './petrel.js'

/** Server, client, and one visitor that stays: what a stop has to deal with. */
async function busyTunnel(t: ExecutionContext) {
  const services: Socket[] = []
  const service = createServer((socket) => services.push(socket.on('error', () => {}))).listen(0, '127.0.0.1')
  await once(service, 'listening')
  t.teardown(() => {
    for (const socket of services) socket.destroy()
    service.close()
  })
  const server = startPetrel(t, ['server', '--bind-addr', '127.0.0.1', '--bind-port', '0'], {
    home: testFolder(t).path,
  })
  const [input] = await server.said('stdout', /petrel:\/\/\S+(?=\n)/)
  const home = testFolder(t).path
  await runPetrel(t, ['join'], { home, input })
  const client = startPetrel(t, ['tcp', `${(service.address() as { port: number }).port}`], { home })
  const [, host = '', port = ''] = await client.said('stdout', /public {3}tcp:\/\/(\S+):(\d+)/)
  const visitor = connect(Number(port), host)
  const arrived = once(service, 'connection')
  visitor.write('here to stay')
  visitor.on('error', () => {})
  t.teardown(() => visitor.destroy())
  await arrived
  return { server, client, visitor }
}

for (const side of ['server', 'client'] as const) {
  test.serial(
    `a ${side} whose visitor stays ends with 0 within the bound, and the visitor with an error`,
    async (t) => {
      const tunnel = await busyTunnel(t)
      const cut = new Promise<boolean>((resolve) => tunnel.visitor.once('close', resolve))
      const started = performance.now()
      tunnel[side].child.kill('SIGTERM')
      const { code, stderr } = await tunnel[side].ended
      t.is(code, 0, stderr)
      // The bound, and the time that a busy machine takes to start the end.
      t.true(performance.now() - started < limits.stop.atMostMs * 1.5)
      t.true(await cut, 'the visitor saw a clean end')
    },
  )

  test.serial(`a second signal ends a ${side} at once`, async (t) => {
    const tunnel = await busyTunnel(t)
    const { child, said, ended } = tunnel[side]
    child.kill('SIGINT')
    await said('stderr', /once more to end at once/)
    // Within 300 ms a second one counts as the echo of the first.
    const again = setInterval(() => child.kill('SIGINT'), 200)
    const { code } = await ended
    clearInterval(again)
    t.is(code, 130)
  })
}
