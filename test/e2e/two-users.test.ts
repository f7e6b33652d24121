// Two users' way: `petrel server` here, its join string pasted to `petrel join` there, `petrel tcp 22`, nothing else.

import { runPetrel, startPetrel } from '../cli/petrel.js'
import { testFolder } from '../config/folder.js'
import { twoMachines, whyNoNamespaces } from '../support/namespaces.js'
import { declare, overEach } from '../support/over.js'
import { ssh, sshPrograms, startSshd } from '../support/real/ssh.js'

/** What a user has who never ran petrel: a home folder with nothing in it. */
const emptyHome = (path: string) => ({ home: '', env: { HOME: path } })

declare(
  'on two machines: petrel server, petrel join, petrel tcp 22, and ssh works',
  async (t) => {
    const [here, there] = twoMachines(t)
    const sshd = await startSshd(t, { inside: there.inside, port: 22 })
    const server = startPetrel(t, ['server'], { ...emptyHome(testFolder(t).path), inside: here.inside })
    const [joinString] = await server.said('stdout', /petrel:\/\/10\.77\.0\.1:9000#\S+(?=\n)/)

    const home = emptyHome(testFolder(t).path)
    const joined = await runPetrel(t, ['join'], { ...home, inside: there.inside, input: `${joinString}\n` })
    t.is(joined.code, 0, joined.stderr)
    const client = startPetrel(t, ['tcp', '22'], { ...home, inside: there.inside })
    const [, port] = await client.said('stdout', /public {3}tcp:\/\/10\.77\.0\.1:(\d+)\nservice {2}127\.0\.0\.1:22\n/)

    const at = { port: Number(port), host: here.address, inside: here.inside }
    const said = await ssh(t, sshd, at, 'cat; echo "$SSH_CONNECTION"', 'typed in\n')
    t.is(said.code, 0, said.stderr)
    t.regex(said.stdout.toString(), /^typed in\n127\.0\.0\.1 \d+ 127\.0\.0\.1 22\n$/)
  },
  { programs: sshPrograms, unless: whyNoNamespaces() },
)

overEach(
  'on one machine: petrel server, petrel join, petrel tcp, and ssh works',
  async (t, over) => {
    const sshd = await startSshd(t)
    // Ports of its own, since other petrels may live on this machine; the rest is the default.
    const args = ['server', '--bind-addr', '127.0.0.1', '--bind-port', '0']
    const server = startPetrel(t, args, emptyHome(testFolder(t).path))
    const [joinString] = await server.said('stdout', /petrel:\/\/127\.0\.0\.1:\d+#\S+(?=\n)/)

    const home = emptyHome(testFolder(t).path)
    const joined = await runPetrel(t, ['join'], { ...home, input: `${joinString}\n` })
    t.is(joined.code, 0, joined.stderr)
    const client = startPetrel(t, ['tcp', `${sshd.port}`, '--transport', over.name], home)
    const [, port] = await client.said('stdout', /public {3}tcp:\/\/127\.0\.0\.1:(\d+)\n/)
    await client.said('stdout', new RegExp(`over {5}${over.name},`))

    const said = await ssh(t, sshd, { port: Number(port) }, 'cat', 'typed in\n')
    t.is(said.code, 0, said.stderr)
    t.is(said.stdout.toString(), 'typed in\n')
  },
  { programs: sshPrograms },
)
