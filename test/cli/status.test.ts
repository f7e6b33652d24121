// `petrel status` and `petrel reload` with the real binary, over real control sockets.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { limits } from '../../src/base/limits.js'
import { installedTransports } from '../../src/cli/transports.js'
import { testFolder } from '../config/folder.js'
import { runPetrel, startPetrel } from './petrel.js'

const page = 'a page behind NAT'
const secret = /ptl_[A-Za-z0-9]{16}/

async function webSite(t: ExecutionContext): Promise<number> {
  const server = createServer((_, response) => response.setHeader('connection', 'close').end(page))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  return (server.address() as { port: number }).port
}

async function startServer(t: ExecutionContext, more: readonly string[] = []) {
  const home = testFolder(t).path
  const server = startPetrel(t, ['server', '--bind-addr', '127.0.0.1', '--bind-port', '0', ...more], { home })
  const [joinString] = await server.said('stdout', /petrel:\/\/127\.0\.0\.1:\d+#\S+(?=\n)/)
  return { home, server, joinString }
}

async function startClient(t: ExecutionContext, joinString: string, args: readonly string[]) {
  const home = testFolder(t).path
  await runPetrel(t, ['join'], { home, input: joinString })
  const client = startPetrel(t, args, { home })
  const [, host = '', port = ''] = await client.said('stdout', /public {3}\w+:\/\/(\S+):(\d+)/)
  return { home, client, host, port: Number(port) }
}

async function statusOf(t: ExecutionContext, home: string) {
  const { code, stdout, stderr } = await runPetrel(t, ['status', '--json'], { home })
  t.is(code, 0, stderr)
  t.notRegex(stdout, secret)
  return JSON.parse(stdout).petrels
}

const sockets = (home: string) => readdirSync(join(home, 'run'))

test.serial(
  'where no petrel runs, status says so in one sentence, says how to start one, and ends with 1',
  async (t) => {
    const home = testFolder(t).path
    for (const args of [['status'], ['status', '--watch'], ['reload']]) {
      const { code, stdout, stderr } = await runPetrel(t, args, { home })
      t.is(code, 1)
      t.is(stdout, '')
      t.regex(stderr, /^petrel: no petrel( server)? of this user is running .*: start `petrel server`[^\n]*\n$/)
    }
    const { code, stdout, stderr } = await runPetrel(t, ['status', '--json'], { home })
    t.deepEqual([code, stdout, JSON.parse(stderr).code], [1, '', 'unreachable'])
  },
)

for (const { name: transport } of installedTransports().transports) {
  test.serial(`status tells of a server and of a client over ${transport}, and of what they carried`, async (t) => {
    const { home, joinString } = await startServer(t)
    const site = await webSite(t)
    const args = ['tcp', `${site}`, '--name', 'web', '--transport', transport]
    const { home: clientHome, client, host, port } = await startClient(t, joinString, args)
    for (let i = 0; i < 3; i++) t.is(await (await fetch(`http://${host}:${port}/`)).text(), page)
    const stays = connect(port, host)
    await once(stays, 'connect')
    t.teardown(() => stays.destroy())
    await delay(200) // the stream of the one that stays

    const [server, ...others] = await statusOf(t, home)
    t.deepEqual([server.role, others], ['server', []])
    t.true(server.uptimeMs > 0)
    const [{ client: name, link, proxies }] = server.sessions
    t.deepEqual([name, link.transport, link.openStreams], ['token', transport, 2])
    t.true(link.sentBytes > 0 && link.receivedBytes > 3 * page.length, JSON.stringify(link))
    t.true(link.sentRate >= 0 && link.receivedRate >= 0)
    const [web] = proxies
    t.deepEqual([web.name, web.type, web.public, web.service], ['web', 'tcp', `${host}:${port}`, `:${site}`])
    t.deepEqual([web.active, web.counters.accepted, web.counters.endedClean], [1, 4, 3])

    const [told] = await statusOf(t, clientHome)
    t.deepEqual([told.role, told.pid, told.state, told.server], ['client', client.child.pid, 'serving', server.server])
    const [session] = told.sessions
    t.is(session.link.transport, transport)
    t.true(
      transport === 'tls' || (session.link.minRttMs > 0 && session.link.cwndBytes > 0 && session.link.mtuBytes > 0),
    )
    const { active, counters, service } = session.proxies[0]
    t.deepEqual([service, active, counters.accepted, counters.endedClean], [`127.0.0.1:${site}`, 1, 4, 3])

    const { stdout } = await runPetrel(t, ['status'], { home })
    t.regex(
      stdout,
      new RegExp(`^petrel server \\S+, pid \\d+, up .*\n  listens on ${server.server} \\(.*\\), 1 client\n`),
    )
    t.regex(stdout, new RegExp(`^  link   ${transport} with 127\\.0\\.0\\.1:\\d+, 2 streams open$`, 'm'))
    t.regex(stdout, new RegExp(`^  proxy  web: tcp://${host}:${port} -> port ${site} there$`, 'm'))
    t.regex(stdout, /^ {9}1 active, 4 accepted; ended: 3 clean$/m)
    t.notRegex(stdout, secret)
  })
}

for (const { name: transport } of installedTransports().transports) {
  test.serial(
    `over ${transport}, each end’s link has what that end was told of its path, and status shows it`,
    async (t) => {
      const { home, server, joinString } = await startServer(t, ['--profile', 'small', '--bandwidth-limit', '20mbit'])
      const args = ['tcp', '1', '--transport', transport, '--profile', 'satellite', '--bandwidth', '8mbit']
      const { home: clientHome, client } = await startClient(t, joinString, args)
      const told = async (at: string) => {
        const [petrel] = await statusOf(t, at)
        const { profile, bandwidth, bandwidthLimit } = petrel.sessions[0].link
        return [profile, bandwidth, bandwidthLimit]
      }
      t.deepEqual(await told(home), ['small', undefined, 2_500_000])
      t.deepEqual(await told(clientHome), ['satellite', 1_000_000, undefined])
      const { stdout } = await runPetrel(t, ['status'], { home })
      const unkept = transport === 'tls' ? ' \\(not kept over tls\\)' : ''
      t.regex(stdout, new RegExp(`^ {9}profile small, at most 2\\.5 MB/s${unkept}$`, 'm'))
      if (transport !== 'tls') return
      for (const [petrel, key] of [
        [server, 'bandwidth_limit'],
        [client, 'bandwidth'],
      ] as const) {
        await petrel.said('stderr', new RegExp(`links over tls do not heed ${key}, because`))
      }
    },
  )
}

test.serial('status tells of a udp proxy: its flows, and what was dropped', async (t) => {
  const { home, joinString } = await startServer(t)
  const echo = createSocket('udp4').on('message', (payload, from) => echo.send(payload, from.port, from.address))
  await once(echo.bind(0, '127.0.0.1'), 'listening')
  const visitor = createSocket('udp4')
  t.teardown(() => {
    echo.close()
    visitor.close()
  })
  const { home: clientHome, host, port } = await startClient(t, joinString, ['udp', `${echo.address().port}`])
  visitor.send('hello', port, host)
  await once(visitor, 'message')
  const [server] = await statusOf(t, home)
  const [client] = await statusOf(t, clientHome)
  for (const { sessions } of [server, client]) {
    const [{ flows, proxies }] = sessions
    t.deepEqual([flows.opened, flows.sent, flows.received, proxies[0].active], [1, 1, 1, 1])
  }
})

test.serial('several petrels of one user stand side by side, one socket each, for this user alone', async (t) => {
  const { home, joinString, server } = await startServer(t)
  await runPetrel(t, ['join'], { home, input: joinString })
  const client = startPetrel(t, ['tcp', `${await webSite(t)}`], { home })
  await client.said('stdout', /public/)
  const petrels = await statusOf(t, home)
  t.deepEqual(petrels.map(({ role }: { role: string }) => role).sort(), ['client', 'server'])
  t.deepEqual(sockets(home), [`client-${client.child.pid}.sock`, `server-${server.child.pid}.sock`])
  t.is(statSync(join(home, 'run')).mode & 0o777, 0o700)
  for (const name of sockets(home)) t.is(statSync(join(home, 'run', name)).mode & 0o777, 0o600)

  client.child.kill('SIGTERM')
  server.child.kill('SIGTERM')
  t.deepEqual([(await client.ended).code, (await server.ended).code], [0, 0])
  t.deepEqual(sockets(home), [])
})

test.serial('a client that finds no server says in its status why it waits', async (t) => {
  const { home, joinString, server } = await startServer(t)
  const { home: clientHome } = await startClient(t, joinString, ['tcp', `${await webSite(t)}`, '--transport', 'tls'])
  server.child.kill('SIGKILL')
  await server.ended
  let told = (await statusOf(t, clientHome))[0]
  while (told.state !== 'waiting') told = (await statusOf(t, clientHome))[0]
  t.deepEqual(told.sessions, [])
  t.regex(told.error, /link|reach|connection/)
  t.regex(
    (await runPetrel(t, ['status'], { home: clientHome })).stdout,
    /^ {2}server 127\.0\.0\.1:\d+, (waiting|connecting)/m,
  )
  t.is((await runPetrel(t, ['status'], { home })).code, 1)
})

test.serial('the socket of a process that is gone is removed by whoever finds it', async (t) => {
  const { home, server } = await startServer(t)
  server.child.kill('SIGKILL')
  await server.ended
  t.is(sockets(home).length, 1)
  t.is((await runPetrel(t, ['status'], { home })).code, 1)
  t.deepEqual(sockets(home), [])
})

test.serial('a petrel that does not answer is named, and status ends with 1', async (t) => {
  const { home, server } = await startServer(t)
  server.child.kill('SIGSTOP')
  const { code, stdout } = await runPetrel(t, ['status'], { home })
  t.is(code, 1)
  t.regex(stdout, new RegExp(`^petrel server, pid ${server.child.pid}: .*did not answer within`))
  server.child.kill('SIGCONT')
  t.is((await statusOf(t, home)).length, 1)
})

for (const [title, spoil] of [
  ['open to others', (home: string) => mkdirSync(join(home, 'run'), { mode: 0o755 })],
  ['a link to elsewhere', (home: string) => symlinkSync(home, join(home, 'run'))],
] as const) {
  test.serial(`a folder of sockets that is ${title} is refused, and petrel serves all the same`, async (t) => {
    const home = testFolder(t).path
    spoil(home)
    const server = startPetrel(t, ['server', '--bind-addr', '127.0.0.1', '--bind-port', '0'], { home })
    await server.said('stdout', /petrel:/)
    await server.said('stderr', /"warn".*no control socket, .*not a folder of this user alone/)
    const { code, stderr } = await runPetrel(t, ['status'], { home })
    t.is(code, 2)
    t.regex(stderr, /is not a folder of this user alone: remove it, or make it yours with mode 0700/)
    server.child.kill('SIGTERM')
    t.is((await server.ended).stderr.match(/no control socket/g)?.length, 1)
  })
}

test.serial('a path too long for a socket is one warning, and petrel serves all the same', async (t) => {
  const home = join(testFolder(t).path, 'long'.repeat(30))
  const server = startPetrel(t, ['server', '--bind-addr', '127.0.0.1', '--bind-port', '0'], { home })
  await server.said('stdout', /petrel:/)
  await t.notThrowsAsync(server.said('stderr', /no control socket, .*too long for a socket .*PETREL_HOME/))
})

test.serial('reload says that a server took its configuration whole, or why it keeps the old one', async (t) => {
  const folder = testFolder(t)
  const home = folder.path
  const token = (await runPetrel(t, ['token'], { home })).stdout.trim()
  const write = (lines: string) =>
    folder.write('server.yaml', `bind_addr: 127.0.0.1\nbind_port: 0\nauth_token: ${token}\n${lines}`)
  const server = startPetrel(t, ['server', '--config', write('')], { home })
  await server.said('stderr', /listening on/)
  const { pid } = server.child

  write('port_range_start: 20500\n')
  const good = await runPetrel(t, ['reload'], { home })
  t.deepEqual([good.code, good.stdout], [0, `server, pid ${pid}: the new configuration holds\n`])
  await server.said('stderr', /petrel reload: the new configuration holds/)

  write('kcp_port: 9001\n')
  const partly = await runPetrel(t, ['reload', '--json'], { home })
  t.is(partly.code, 0)
  t.like(JSON.parse(partly.stdout), { event: 'reloaded', pid, text: 'the new configuration holds, except kcp_port' })

  write('port_range_strat: 20500\n')
  const bad = await runPetrel(t, ['reload'], { home })
  t.deepEqual([bad.code, bad.stdout], [2, ''])
  t.regex(
    bad.stderr,
    new RegExp(`^petrel: server, pid ${pid}: the old configuration stays: .*server.yaml:4:1: .*port_range_start\\?`),
  )
  t.notRegex(bad.stderr + (await runPetrel(t, ['status'], { home })).stdout, secret)
  await t.notThrowsAsync(server.said('stderr', /"error".*petrel reload: the old configuration stays/))
})

test.serial('only servers are told to reload', async (t) => {
  const { joinString } = await startServer(t)
  const { home } = await startClient(t, joinString, ['tcp', `${await webSite(t)}`])
  const { code, stderr } = await runPetrel(t, ['reload'], { home })
  t.is(code, 1)
  t.regex(stderr, /no petrel server of this user is running/)
})

test.serial('status --watch shows a picture each second until Ctrl-C, which ends it with 0', async (t) => {
  const { home } = await startServer(t)
  const json = startPetrel(t, ['status', '--watch', '--json'], { home })
  const text = startPetrel(t, ['status', '--watch'], { home })
  await json.said('stdout', /(.+\n){3}/)
  await text.said('stdout', /(petrel server[\s\S]+?\n\n){3}/)
  json.child.kill('SIGINT')
  text.child.kill('SIGINT')
  for (const { code, stderr } of [await json.ended, await text.ended]) t.deepEqual([code, stderr], [0, ''])
  for (const line of (await json.ended).stdout.trim().split('\n')) t.is(JSON.parse(line).petrels[0].role, 'server')
})

test.serial('garbage at the control socket, however much of it, harms nothing', async (t) => {
  const { home, server, joinString } = await startServer(t)
  const path = join(home, 'run', `server-${server.child.pid}.sock`)
  // Gone before the answer.
  for (let i = 0; i < 50; i++) {
    const socket = connect(path)
    socket.write('{"request":"status"}\n', () => socket.destroy())
    await once(socket, 'close')
  }
  const junk = [
    Buffer.alloc(0),
    Buffer.from('{"request":"status"}'), // no end of the line
    Buffer.from('{"request":"stop"}\n'),
    Buffer.from('null\n'),
    Buffer.from(`${'['.repeat(1000)}\n`),
    Buffer.alloc(limits.local.requestBytes + 1, 'x'),
    Buffer.alloc(1024 * 1024, 0xff),
    Buffer.from(`{"request":"status"}\n${'more\n'.repeat(100_000)}`),
    Buffer.from('{"request":"status"}\n'.repeat(1000)),
  ]
  const ends: Promise<unknown>[] = []
  for (let i = 0; i < 300; i++) {
    const socket = connect(path)
    socket.on('error', () => {})
    ends.push(new Promise((resolve) => socket.once('close', resolve)))
    socket.write(junk[i % junk.length] ?? '')
    if (i % 3 === 0) socket.resume()
    if (i % 7 === 0) socket.destroy()
    if (i % 20 === 0) await delay(10)
    // Whoever neither goes on nor reads is let go of, too.
    setTimeout(() => socket.resume(), limits.local.requestMs).unref()
  }
  await Promise.all(ends)
  t.is((await statusOf(t, home)).length, 1)
  const { host, port } = await startClient(t, joinString, ['tcp', `${await webSite(t)}`])
  t.is(await (await fetch(`http://${host}:${port}/`)).text(), page)
  server.child.kill('SIGTERM')
  const { code, stderr } = await server.ended
  t.is(code, 0)
  t.notRegex(stderr, /"level":"error"/)
})
