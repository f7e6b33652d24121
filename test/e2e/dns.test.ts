// dig asks a local DNS server through a udp proxy: every answer is the one to its own question.

import { testFolder } from '../config/folder.js'
import { overEachAndAuto } from '../support/over.js'
import { run } from '../support/programs.js'
import { addressOf, startDns } from '../support/real/dns.js'
import { startTwoProcesses } from '../support/two-processes.js'

const queries = 1_000
/** dig processes beside each other: one would leave the tunnel idle between a question and the next. */
const asking = 4

overEachAndAuto(
  'dig has 1,000 answers through a udp proxy, none of them wrong',
  async (t, over) => {
    const dns = await startDns(t)
    const { ports } = await startTwoProcesses(t, over, [{ type: 'udp', port: dns.port }])
    const folder = testFolder(t)
    const started = performance.now()
    const dig = async (first: number): Promise<void> => {
      const numbers = Array.from({ length: queries / asking }, (_, n) => first + n * asking)
      const batch = folder.write(`batch-${first}`, numbers.map((n) => `q${n}.petrel.test A\n`).join(''))
      // dig sets SO_REUSEPORT, so two that ask from one address may be given one port and take each other's answers.
      const args = [
        '-b',
        `127.0.0.${2 + first}`,
        '@127.0.0.1',
        '-p',
        `${ports[0]}`,
        '+noall',
        '+answer',
        '+tries=3',
        '+timeout=3',
        '-f',
        batch,
      ]
      const ended = await run(t, 'dig', args, { env: { HOME: folder.path } })
      t.is(ended.code, 0, `${ended.stdout}${ended.stderr}`)
      // On a busy machine a payload may be dropped for its age; dig says so, asks again, and counts here as asked again.
      const answers = ended.stdout.toString().replaceAll(/^;; communications error.*timed out\n/gm, '')
      const wanted = numbers.map((n) => `q${n}.petrel.test. 60 IN A ${addressOf(n)}`)
      t.deepEqual(answers.trimEnd().replaceAll(/\s*\t/g, ' ').split('\n'), wanted)
    }
    await Promise.all(Array.from({ length: asking }, (_, first) => dig(first)))
    const perSecond = Math.round(queries / ((performance.now() - started) / 1000))
    t.log(`${queries} queries, ${perSecond}/s, ${dns.questions - queries} asked again`)
  },
  { programs: ['dig'] },
)
