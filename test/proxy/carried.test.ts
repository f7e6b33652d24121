import { readFileSync } from 'node:fs'
import { mock } from 'node:test'
import test from 'ava'
import { limits } from '../../src/base/limits.js'
import { enterCarried, leaveCarried } from '../../src/proxy/carried.js'
import { tcpConnect, tcpServer } from '../support/tcp.js'

test.serial('a connection that lasts is probed, one that has left is not', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  const server = await tcpServer((socket) => socket.resume())
  const [lasting, gone] = [await tcpConnect(server.port), await tcpConnect(server.port)]
  enterCarried(lasting)
  enterCarried(gone)
  leaveCarried(gone)
  t.false(isProbed(lasting.localPort))
  mock.timers.tick(limits.proxy.keepAliveMs)
  t.true(isProbed(lasting.localPort))
  t.false(isProbed(gone.localPort))
  leaveCarried(lasting)
  mock.timers.reset()
  for (const socket of [lasting, gone]) socket.destroy()
  await server.close()
})

/** Whether the kernel has a keep-alive timer on this port of ours: "02:" in the field tr:tm->when (proc_net_tcp). */
function isProbed(port: number | undefined): boolean {
  const local = `:${port?.toString(16).toUpperCase().padStart(4, '0')}`
  const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n')
  const fields = lines.map((line) => line.trim().split(/\s+/)).find(([, address]) => address?.endsWith(local))
  return fields?.[5]?.startsWith('02:') ?? false
}
