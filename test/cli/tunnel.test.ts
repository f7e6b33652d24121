// Two users' way, with the real binary: a server, its join string, one service.
// One at a time: each test is several processes, and a machine with two cores has enough with that.

import { X509Certificate } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { spkiPin } from '../../src/base/pin.js'
import { makeToken } from '../../src/base/token.js'
import { makeCredentials } from '../../src/cli/certificate.js'
import { installedTransports } from '../../src/cli/transports.js'
import { testFolder } from '../config/folder.js'
import { runPetrel, startPetrel } from './petrel.js'

const page = 'a page behind NAT'

async function webSite(t: ExecutionContext): Promise<number> {
  const server = createServer((_, response) => response.end(page)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as { port: number }).port
}

/** A port that was free a moment ago. */
async function freePort(): Promise<string> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return `${port}`
}

async function serverAndJoin(t: ExecutionContext, more: readonly string[] = []) {
  const home = testFolder(t).path
  const args = ['server', '--bind-addr', '127.0.0.1', '--bind-port', '0', ...more]
  const server = startPetrel(t, args, { home })
  const [joinString] = await server.said('stdout', /petrel:\/\/127\.0\.0\.1:\d+#\S+(?=\n)/)
  const clientHome = testFolder(t).path
  t.is((await runPetrel(t, ['join'], { home: clientHome, input: joinString })).code, 0)
  return { server, home, clientHome, joinString }
}

test.serial('server, join, tcp: a page comes through, and both end in good order', async (t) => {
  const { server, clientHome } = await serverAndJoin(t)
  const port = await webSite(t)
  const client = startPetrel(t, ['tcp', `${port}`], { home: clientHome })
  const [banner, address] = await client.said(
    'stdout',
    /public {3}tcp:\/\/(\S+)\nservice {2}\S+\nover {5}(quic|kcp|tls), by way of \S+\n/,
  )
  t.is(banner.split('\n').length, 4)
  t.is(await (await fetch(`http://${address}/`)).text(), page)

  client.child.kill('SIGINT')
  const ended = await client.ended
  t.is(ended.code, 0, ended.stderr)
  server.child.kill('SIGTERM')
  const over = await server.ended
  t.is(over.code, 0, over.stderr)
  t.notRegex(over.stderr + ended.stderr, /ptl_[A-Za-z0-9]{16}/)
})

test.serial('two commands of one installation live beside each other; the same one takes over', async (t) => {
  const { clientHome } = await serverAndJoin(t)
  const [one, two] = [await webSite(t), await webSite(t)]
  const first = startPetrel(t, ['tcp', `${one}`], { home: clientHome })
  await first.said('stdout', /public/)
  const second = startPetrel(t, ['tcp', `${two}`], { home: clientHome })
  const [, address] = await second.said('stdout', /public {3}tcp:\/\/(\S+)/)
  t.is(first.child.exitCode, null)
  const again = startPetrel(t, ['tcp', `${one}`], { home: clientHome })
  await again.said('stdout', /public/)
  const { code, stderr } = await first.ended
  t.is(code, 4, stderr)
  t.is(await (await fetch(`http://${address}/`)).text(), page)
})

test.serial('another public port, refused or not, is another command: the first one goes on', async (t) => {
  const { clientHome } = await serverAndJoin(t, ['--ports', '1024-65535'])
  const free = await freePort()
  const port = await webSite(t)
  const first = startPetrel(t, ['tcp', `${port}`, '--remote-port', free], { home: clientHome })
  await first.said('stdout', new RegExp(`public {3}\\S+:${free}\n`))
  const refused = await runPetrel(t, ['tcp', `${port}`, '--remote-port', '80'], { home: clientHome })
  t.is(refused.code, 5, refused.stderr)
  const beside = startPetrel(t, ['tcp', `${port}`, '--bind-addr', '127.0.0.1'], { home: clientHome })
  await beside.said('stdout', /public/)
  t.is(first.child.exitCode, null)
  t.is(await (await fetch(`http://127.0.0.1:${free}/`)).text(), page)

  const again = startPetrel(t, ['tcp', `${port}`, '--remote-port', free, '--transport', 'tls', '-v'], {
    home: clientHome,
  })
  await again.said('stdout', new RegExp(`public {3}\\S+:${free}\nservice.*\nover {5}tls`))
  const { code, stderr } = await first.ended
  t.is(code, 4, stderr)
  t.regex(
    stderr,
    /the same client started again \(here or elsewhere\): this one stops; to run both, give one another --name/,
  )
})

test.serial('with --json every line is JSON, and says the address that visitors dial', async (t) => {
  const home = testFolder(t).path
  const args = ['server', '--bind-port', '0', '--public-host', 'localhost', '--json']
  const server = startPetrel(t, args, { home })
  const [line] = await server.said('stdout', /^.+(?=\n)/)
  const clientHome = testFolder(t).path
  t.is((await runPetrel(t, ['join'], { home: clientHome, input: JSON.parse(line).join })).code, 0)
  const port = await webSite(t)
  const client = startPetrel(t, ['tcp', `${port}`, '--json', '--transport', 'tls'], { home: clientHome })
  const [text] = await client.said('stdout', /^.+(?=\n)/)
  const { event, transport, proxies } = JSON.parse(text)
  t.deepEqual([event, transport, proxies[0].service], ['serving', 'tls', `127.0.0.1:${port}`])
  t.regex(proxies[0].public, /^localhost:\d+$/)
  const refused = await runPetrel(t, ['tcp', '22', '--remote-port', '80', '--json'], { home: clientHome })
  t.is(refused.code, 5)
  for (const { child, ended } of [server, client]) {
    child.kill('SIGTERM')
    const { stdout, stderr } = await ended
    for (const line of `${stdout}${stderr}${refused.stdout}${refused.stderr}`.trim().split('\n'))
      t.notThrows(() => JSON.parse(line), line)
    for (const line of stderr.split('\n').filter((line) => line.includes('"serving"')))
      t.is(JSON.parse(line).proxies[0].public, proxies[0].public)
  }
})

test.serial('--print-join shows the join string of the server that runs, however it was started', async (t) => {
  const { home, joinString } = await serverAndJoin(t)
  const print = async (...more: string[]) => (await runPetrel(t, ['server', '--print-join', ...more], { home })).stdout
  t.is(await print(), `${joinString}\n`)
  const json = JSON.parse(await print('--json'))
  t.is(json.join, joinString)
  t.regex(await print('--public-host', 'h.example'), /^petrel:\/\/h\.example:9000#/)
})

test.serial('a wrong token ends with code 3, and the server says so', async (t) => {
  const { joinString, server } = await serverAndJoin(t)
  const other = (await runPetrel(t, ['token'], { home: testFolder(t).path })).stdout.trim()
  const home = testFolder(t).path
  await runPetrel(t, ['join'], { home, input: joinString.replace(/ptl_[\w-]{48}/, other) })
  const { code, stderr } = await runPetrel(t, ['tcp', '22'], { home })
  t.is(code, 3, stderr)
  t.regex(stderr, /run `petrel server --print-join` on the server, and `petrel join`/)
  t.notRegex(stderr, /--token-file/)
  const given = await runPetrel(t, ['tcp', '22'], { home, env: { PETREL_TOKEN: other } })
  t.is(given.code, 3, given.stderr)
  t.regex(given.stderr, /give another \(--token-file/)
  await server.said('stderr', /"warn".*link refused: no such token or certificate here/)
})

for (const { name: transport } of installedTransports().transports) {
  test.serial(`over ${transport} a server that is not the one that was joined ends with code 3`, async (t) => {
    const { joinString } = await serverAndJoin(t)
    const home = testFolder(t).path
    const otherPin = Buffer.alloc(32, 3).toString('base64url')
    await runPetrel(t, ['join'], { home, input: joinString.replace(/[\w-]{43}$/, otherPin) })
    const { code, stderr } = await runPetrel(t, ['tcp', '22', '--transport', transport], { home })
    t.is(code, 3, stderr)
    t.regex(stderr, /shows another key than the pin names: join it again if its key was renewed/)
  })
}

for (const { name: transport } of installedTransports().transports) {
  test.serial(`over ${transport} a server that is not there is dialled again, with what to check`, async (t) => {
    const args = ['tcp', '22', '--server', `127.0.0.1:${await freePort()}`, '--transport', transport]
    const env = { PETREL_TOKEN: makeToken() }
    const client = startPetrel(t, args, { home: testFolder(t).path, env })
    await t.notThrowsAsync(
      client.said(
        'stderr',
        /(nothing|nobody) listens [^?]*: check that the server runs,[^;]*port[^;]*; trying again in/,
      ),
    )
  })
}

test.serial('a refused port ends with code 5 and says which are allowed', async (t) => {
  const { clientHome } = await serverAndJoin(t)
  const { code, stderr } = await runPetrel(t, ['tcp', '22', '--remote-port', '1999'], { home: clientHome })
  t.is(code, 5, stderr)
  t.regex(stderr, /1999/)
})

test.serial('a token without a pin is proved both ways once, and its key is expected from then on', async (t) => {
  const { joinString } = await serverAndJoin(t)
  const port = await webSite(t)
  const [, server = '', token = ''] = /^petrel:\/\/([^#]+)#(ptl_[\w-]+)\./.exec(joinString) ?? []
  const home = testFolder(t).path
  const start = () => startPetrel(t, ['tcp', `${port}`, '--server', server], { home, env: { PETREL_TOKEN: token } })
  const first = start()
  await first.said('stderr', /its key is kept/)
  await first.said('stdout', /public/)
  first.child.kill('SIGINT')
  await first.ended
  const second = start()
  await second.said('stdout', /public/)
  second.child.kill('SIGINT')
  t.notRegex((await second.ended).stderr, /its key is kept/)
})

test.serial('a client with a certificate comes in by its pin, from a file with several proxies', async (t) => {
  const folder = testFolder(t)
  const { certificate, privateKey } = await makeCredentials('client')
  folder.write('client.crt', certificate)
  folder.write('client.key', privateKey)
  const pin = spkiPin(new X509Certificate(certificate)).toString('base64url')
  const allowed = `allowed_clients: [{ name: camera, certificate_pin: ${pin}, allowed_ports: ["20000-30000"] }]`
  const config = folder.write('server.yaml', `bind_addr: 127.0.0.1\nbind_port: 0\n${allowed}\n`)
  const home = testFolder(t).path
  const server = startPetrel(t, ['server', '--config', config], { home })
  const [, address = ''] = await server.said('stderr', /"address":"([^"]+)"/)
  const serverPin = spkiPin(new X509Certificate(readFileSync(join(home, 'server.pem')))).toString('base64url')

  const port = await webSite(t)
  const file = folder.write(
    'client.yaml',
    `server: ${address}
server_pin: ${serverPin}
tls_cert_file: ./client.crt
tls_key_file: ./client.key
proxies:
  web: { type: tcp, local_port: ${port} }
  dns: { type: udp, local_port: 53 }
  far: { type: tcp, local_port: ${port}, remote_port: 30001 }
`,
  )
  const check = await runPetrel(t, ['check-config', file], { home })
  t.regex(check.stdout, new RegExp(`certificate_pin for allowed_clients of the server: ${pin}`))
  const client = startPetrel(t, ['client', '--config', file], { home: testFolder(t).path })
  const [text, web] = await client.said(
    'stdout',
    /^tcp:\/\/(\S+) .*\(web\)\nudp:.*\(dns\)\nover .*\nrefused {2}far: .*30001.*\n/,
  )
  t.is(await (await fetch(`http://${web}/`)).text(), page, text)
})

test.serial('udp: datagrams come back to the visitor who sent them', async (t) => {
  const { clientHome } = await serverAndJoin(t)
  const echo = createSocket('udp4').on('message', (payload, from) => echo.send(payload, from.port, from.address))
  echo.bind(0, '127.0.0.1')
  await once(echo, 'listening')
  const client = startPetrel(t, ['udp', `${echo.address().port}`], { home: clientHome })
  const [, host = '', port = ''] = await client.said('stdout', /public {3}udp:\/\/(\S+):(\d+)/)
  const visitor = createSocket('udp4')
  visitor.send('hello', Number(port), host)
  const [payload] = (await once(visitor, 'message')) as [Buffer]
  t.is(payload.toString(), 'hello')
  visitor.close()
  echo.close()
})

test.serial('a port that somebody else holds is named, and ends the server with code 1', async (t) => {
  const holder = createTcpServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as { port: number }
  const args = ['server', '--bind-addr', '127.0.0.1', '--bind-port', `${port}`]
  const { code, stderr } = await runPetrel(t, args, { home: testFolder(t).path })
  t.is(code, 1, stderr)
  t.regex(stderr, new RegExp(`${port}`))
  t.notRegex(stderr, /^petrel: +at /m)
  holder.close()
})

test.serial('SIGHUP takes a new configuration whole, or keeps the old one and says why', async (t) => {
  const folder = testFolder(t)
  const token = (await runPetrel(t, ['token'], { home: folder.path })).stdout.trim()
  const config = folder.write('server.yaml', `bind_addr: 127.0.0.1\nbind_port: 0\nauth_token: ${token}\n`)
  const server = startPetrel(t, ['server', '--config', config], { home: folder.path })
  const [, address = ''] = await server.said('stderr', /"address":"([^"]+)"/)
  const env = { PETREL_TOKEN: token }
  const client = startPetrel(t, ['tcp', '22', '--server', address], { home: testFolder(t).path, env })
  await client.said('stdout', /public/)

  folder.write('server.yaml', 'bind_port: x\n')
  server.child.kill('SIGHUP')
  await server.said('stderr', /the old configuration stays: .*server\.yaml:1:12: bind_port: expected/)
  t.is(client.child.exitCode, null)

  const other = (await runPetrel(t, ['token'], { home: folder.path })).stdout.trim()
  folder.write('server.yaml', `bind_addr: 127.0.0.1\nauth_token: ${other}\n`)
  server.child.kill('SIGHUP')
  await server.said('stderr', /the new configuration holds/)
  t.is((await client.ended).code, 3)
})

test.serial('SIGHUP names what needs a restart and takes the rest', async (t) => {
  const folder = testFolder(t)
  const token = (await runPetrel(t, ['token'], { home: folder.path })).stdout.trim()
  const write = (lines: string) => folder.write('server.yaml', `bind_addr: 127.0.0.1\n${lines}\n`)
  const config = write('bind_port: 0')
  const server = startPetrel(t, ['server', '--config', config], { home: folder.path })
  const [, address = ''] = await server.said('stderr', /"address":"([^"]+)"/)
  write(
    `bind_port: 9\nkcp_port: 10\ntransports: [tls]\nprofile: small\nbandwidth: 9mbit\nlog: { level: debug, format: pretty }\nauth_token: ${token}`,
  )
  server.child.kill('SIGHUP')
  await server.said(
    'stderr',
    /the new configuration holds, except bind_port, kcp_port, transports, profile, bandwidth, log\.format"/,
  )
  for (const key of ['bind_port', 'kcp_port', 'transports', 'profile', 'bandwidth', 'log.format']) {
    await server.said('stderr', new RegExp(`"warn".*"${key}: needs a restart`))
  }
  const env = { PETREL_TOKEN: token }
  const client = startPetrel(t, ['tcp', '22', '--server', address], { home: testFolder(t).path, env })
  await t.notThrowsAsync(client.said('stdout', /public/))
})
