// Connections that are open when a server or a client stops, at once or when its time is up, end with an error on both
// sides, never cleanly: the system alone would say FIN.

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { deferred } from '../support/deferred.js'
import { overEach } from '../support/over.js'
import { readAll, tcpConnect, tcpServer } from '../support/tcp.js'
import { startTwoProcesses } from '../support/two-processes.js'

/** A second signal that comes sooner may be an echo of the first: cli/signals.ts. */
const apartMs = 500

for (const who of ['client', 'server'] as const) {
  for (const signals of [1, 2]) {
    const how = signals === 1 ? 'stopped' : 'stopped at once by a second signal'
    overEach(`the connections of a ${who} that is ${how} end with an error`, async (t, over) => {
      const arrived = deferred<import('node:net').Socket>()
      const service = await tcpServer((socket) => arrived.resolve(socket))
      t.teardown(() => service.close())
      const tunnel = await startTwoProcesses(t, over.name, [{ type: 'tcp', port: service.port }])
      const visitor = await tcpConnect(tunnel.ports[0]!)
      visitor.on('error', () => {})
      visitor.write('?')
      const far = await arrived.promise
      await once(far, 'readable')
      far.read()
      far.write('!')
      await once(visitor, 'readable')
      visitor.read()
      const seen = Promise.all([readAll(visitor), readAll(far)])
      const { child, ended } = tunnel[who]
      child.kill('SIGTERM')
      if (signals === 2) {
        await delay(apartMs)
        child.kill('SIGTERM')
      }
      for (const { how } of await seen) t.is(how, 'ECONNRESET')
      t.is((await ended).code, signals === 1 ? 0 : 143)
    })
  }
}
