// What the demo makes reachable: a web site, a TCP echo and a UDP echo, on free ports of 127.0.0.1.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer as createWebServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { pipeline } from 'node:stream'
import type { Address } from '../../transport/transport.js'

export interface DemoServices {
  readonly web: Address
  readonly tcp: Address
  readonly udp: Address
  close(): Promise<void>
}

/** What /data answers with: the same bytes each time, so that they can be compared. */
export const data = Buffer.alloc(1024 * 1024, 'petrel carries every byte once and in order. ')

export const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>petrel</title>
<style>body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 4rem auto; padding: 0 1rem }</style>
<h1>It came through.</h1>
<p>This page is served by a small web site that listens on this machine only. It reached you through a public port of a
petrel server, over a link that is slow and loses packets.</p>
<p><a href="/data">/data</a> is 1 MiB, to see how fast that goes. <a href="/clock">/clock</a> sends a line each second.</p>
`

export async function startServices(): Promise<DemoServices> {
  const web = createWebServer(answer).listen(0, '127.0.0.1')
  const echo = createServer({ allowHalfOpen: true }, (socket) => pipeline(socket, socket, () => {}))
  echo.listen(0, '127.0.0.1')
  const udp = createSocket('udp4')
  udp.on('message', (payload, from) => udp.send(payload, from.port, from.address))
  udp.bind(0, '127.0.0.1')
  await Promise.all([web, echo, udp].map((server) => once(server, 'listening')))
  const at = ({ port }: AddressInfo): Address => ({ host: '127.0.0.1', port })
  return {
    web: at(web.address() as AddressInfo),
    tcp: at(echo.address() as AddressInfo),
    udp: at(udp.address()),
    async close() {
      const closed = [web, echo, udp].map((server) => once(server, 'close'))
      web.close()
      web.closeAllConnections()
      echo.close()
      udp.close()
      await Promise.all(closed)
    },
  }
}

function answer({ url }: IncomingMessage, response: ServerResponse): void {
  if (url === '/data') response.setHeader('content-type', 'application/octet-stream').end(data)
  else if (url === '/clock') tell(response)
  else if (url === '/') response.setHeader('content-type', 'text/html; charset=utf-8').end(page)
  else response.writeHead(404).end('there is /, /data and /clock\n')
}

/** Chunked, without end, until the visitor leaves. */
function tell(response: ServerResponse): void {
  response.setHeader('content-type', 'text/plain')
  const say = () => response.write(`${new Date().toISOString()}\n`)
  const timer = setInterval(say, 1000)
  response.once('close', () => clearInterval(timer))
  say()
}
