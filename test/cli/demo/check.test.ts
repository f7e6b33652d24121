import { createSocket } from 'node:dgram'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type EventEmitter, errorMonitor, once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { type CheckResult, checkLink } from '../../../src/cli/demo/check.js'

const host = '127.0.0.1'

/** A link whose ports are closed. */
async function closedLink() {
  const socket = createSocket('udp4').bind(0, host)
  await once(socket, 'listening')
  const address = { host, port: socket.address().port }
  await new Promise<void>((resolve) => socket.close(resolve))
  return { transport: 'tls', web: address, tcp: address, udp: address } as const
}

/** Resolves when a UDP socket of this process learns that nobody listens. */
const refusal = (t: ExecutionContext): Promise<void> =>
  new Promise((resolve) => {
    const watch = (message: unknown) => (message as { socket: EventEmitter }).socket.once(errorMonitor, () => resolve())
    subscribe('udp.socket', watch)
    t.teardown(() => unsubscribe('udp.socket', watch))
  })

function startEcho(t: ExecutionContext, port: number): void {
  const echo = createSocket('udp4')
  echo.on('message', (payload, from) => echo.send(payload, from.port, from.address))
  echo.bind(port, host)
  t.teardown(() => echo.close())
}

test.serial('a datagram that is refused is sent again', async (t) => {
  const link = await closedLink()
  void refusal(t).then(() => startEcho(t, link.udp.port))
  const results: CheckResult[] = []
  await checkLink(link, new AbortController().signal, (result) => results.push(result))
  t.deepEqual(
    results.map(({ error }) => error === undefined),
    [false, false, false, true],
  )
})

test.serial('a stop while a datagram is waited for ends the check without a result', async (t) => {
  const link = await closedLink()
  const stop = new AbortController()
  void refusal(t).then(() => stop.abort())
  const results: CheckResult[] = []
  await checkLink(link, stop.signal, (result) => results.push(result))
  t.is(results.length, 3)
})
