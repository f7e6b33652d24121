import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
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
  t.false(isProbed(lasting))
  mock.timers.tick(limits.proxy.keepAliveMs)
  t.true(isProbed(lasting))
  t.false(isProbed(gone))
  leaveCarried(lasting)
  mock.timers.reset()
  for (const socket of [lasting, gone]) socket.destroy()
  await server.close()
})

/** Whether the kernel has a keep-alive timer on it: "02:" in the field tr:tm->when (proc_net_tcp). Both ports tell the
 *  connection: one of them alone may be in use towards others as well. */
function isProbed({ localPort, remotePort }: Socket): boolean {
  const hex = (port = 0): string => `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n')
  const rows = lines.map((line) => line.trim().split(/\s+/))
  const row = rows.find(([, local, remote]) => local?.endsWith(hex(localPort)) && remote?.endsWith(hex(remotePort)))
  return row?.[5]?.startsWith('02:') ?? false
}
