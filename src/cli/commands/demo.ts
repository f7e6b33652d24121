// `petrel demo`: the whole of petrel on this machine, over links that are made bad on purpose.

import { once } from 'node:events'
import { type Command, InvalidArgumentError } from 'commander'
import type { Log } from '../../base/log.js'
import { logSchema } from '../../config/log-schema.js'
import { formatAddress } from '../../transport/address.js'
import { type CheckResult, checkLink } from '../demo/check.js'
import { type DemoLink, type LinkName, type Stage, setStage } from '../demo/stage.js'
import { linkStatus, statusLine } from '../demo/status.js'
import { exitCodes } from '../exit.js'
import { type LogFlags, logValues, withLogFlags } from '../flags.js'
import { openLog } from '../log.js'
import { onStopSignal } from '../signals.js'
import { chosenTransports } from '../transports.js'

interface DemoFlags extends LogFlags {
  readonly rtt: number
  readonly loss: number
  readonly seed: number
  readonly transport: 'all' | LinkName
  readonly check?: boolean
}

/** How often the status line changes, on a terminal and elsewhere. */
const statusMs = { terminal: 1_000, elsewhere: 10_000 }

const between = (least: number, most: number) => (text: string) => {
  const value = Number(text)
  if (text.trim() !== '' && value >= least && value <= most) return value
  throw new InvalidArgumentError(`expected a number from ${least} to ${most}.`)
}

const transportChoice = (text: string) => {
  if (['all', 'auto', 'quic', 'kcp', 'tls'].includes(text)) return text
  throw new InvalidArgumentError('expected all, auto, quic, kcp or tls.')
}

export function addDemoCommand(program: Command): void {
  const command = program
    .command('demo')
    .summary('see it work on this machine')
    .description(
      'Runs a server, a client, a web site, a TCP echo and a UDP echo here. Each link goes through a relay that delays\nand drops packets; over tls it only delays, since a relay cannot lose bytes of a TCP connection. The last link is\nof the client that takes whichever transport gets through first (auto).',
    )
    .option('--rtt <ms>', 'round trip time that the relay adds', between(0, 5_000), 80)
    .option('--loss <percent>', 'packets lost in each direction', between(0, 50), 3)
    .option('--seed <number>', 'of the losses', between(0, 2 ** 31), 1)
    .option('--transport <name>', 'all, auto, quic, kcp or tls', transportChoice, 'all')
    .option('--check', 'fetch through every link, print a line for each, and end with 0 or 1')
  withLogFlags(command)
    .addHelpText(
      'after',
      `
Examples:
  petrel demo --rtt 600 --loss 10    a satellite in the rain
  petrel demo --check                without a person`,
    )
    .action((flags: DemoFlags) => demo(flags))
}

async function demo(flags: DemoFlags): Promise<void> {
  const { log, stoppable } = await quietLog(flags)
  const { transport } = flags
  const isOne = transport !== 'all' && transport !== 'auto'
  const { transports, missing } = chosenTransports(isOne ? [transport] : undefined)
  const stage = await setStage({
    transports,
    links: transport === 'all' ? [...transports.map(({ name }) => name), 'auto'] : [transport],
    rttMs: flags.rtt,
    lossPercent: flags.loss,
    seed: flags.seed,
    log,
  })
  const stop = new AbortController()
  onStopSignal(stoppable, () => stop.abort())
  console.log(flags.json ? sceneRecord(stage, flags, missing?.message) : scene(stage, flags, missing?.message))
  const json = flags.json === true
  if (flags.check) process.exitCode = await checkAll(stage, stop.signal, json)
  else await watch(stage, stop.signal, json)
  await stage.close()
}

/** Warnings only, unless asked: the demo's own lines say what happens. The stop is told in any case. */
async function quietLog(flags: LogFlags): Promise<{ log: Log; stoppable: Log }> {
  const keys = Object.fromEntries(logValues(flags).map(({ path, value }) => [path.slice('log.'.length), value]))
  const { log } = await openLog(logSchema.parse({ level: 'warn', ...keys }))
  if (flags.json) return { log, stoppable: log }
  const stoppable = Object.assign(Object.create(log) as Log, { info: (text: string) => console.error(`\n${text}`) })
  return { log, stoppable }
}

function scene({ links, server }: Stage, { rtt, loss }: DemoFlags, missing: string | undefined): string {
  const lines = [`petrel demo: a server on ${formatAddress(server)}, and for each transport a link and a client`]
  if (missing !== undefined) lines.push(missing)
  for (const link of links) {
    const { transport, web, tcp, udp } = link
    lines.push(
      '',
      `over ${transport}, ${rtt} ms round trip, ${losses(link, loss)}`,
      `  web site  http://${formatAddress(web)}`,
      `  TCP echo  ${formatAddress(tcp)}`,
      `  UDP echo  ${formatAddress(udp)}`,
    )
  }
  if (links.length > 1 && loss > 0) {
    lines.push('', 'TCP loses nothing here and UDP does, so their times do not compare.')
  }
  return lines.join('\n')
}

function losses({ transport, over }: DemoLink, loss: number): string {
  if (transport === 'tls') return 'delay only: TCP hides its packets from a relay'
  const each = `${loss} % loss each way`
  return transport === 'auto' ? `${each} on UDP: ${over} came first` : each
}

const sceneRecord = ({ links, server }: Stage, { rtt, loss }: DemoFlags, missing: string | undefined): string =>
  JSON.stringify({
    event: 'demo',
    server: formatAddress(server),
    missing,
    links: links.map(({ transport, over, web, tcp, udp }) => ({
      transport,
      over,
      rttMs: rtt,
      lossPercent: transport === 'tls' ? 0 : loss,
      web: `http://${formatAddress(web)}`,
      tcp: formatAddress(tcp),
      udp: formatAddress(udp),
    })),
  })

/** Returns the exit code; a check that was interrupted did not succeed. */
async function checkAll({ links }: Stage, stop: AbortSignal, json: boolean): Promise<number> {
  if (!json) console.log('')
  const failed: CheckResult[] = []
  for (const link of links) {
    await checkLink(link, stop, (result) => {
      if (result.error !== undefined) failed.push(result)
      console.log(json ? checkRecord(result) : checkLine(result))
    })
  }
  const interrupted = stop.aborted
  if (json) console.log(JSON.stringify({ event: interrupted ? 'interrupted' : 'checked', failed: failed.length }))
  else if (interrupted) console.log('the check was interrupted')
  else console.log(failed.length === 0 ? 'all came through' : `${failed.length} did not come through`)
  return failed.length === 0 && !interrupted ? exitCodes.ok : exitCodes.failure
}

const checkRecord = (result: CheckResult): string =>
  JSON.stringify({ event: 'check', ...result, error: result.error?.message })

function checkLine({ transport, what, tookMs, error }: CheckResult): string {
  const outcome = error === undefined ? 'ok    ' : 'FAILED'
  const why = error === undefined ? '' : `: ${error.message}`
  return `${outcome}  ${transport.padEnd(4)}  ${what} (${Math.round(tookMs)} ms)${why}`
}

/** Shows the status line until the signal to stop. */
async function watch({ links }: Stage, stop: AbortSignal, json: boolean): Promise<void> {
  const live = process.stdout.isTTY === true && !json
  const status = linkStatus()
  if (!json) console.log('\nCtrl-C ends it.')
  let turn = 0
  const show = () => {
    if (json) {
      for (const { transport, client } of links)
        console.log(JSON.stringify({ event: 'status', transport, stats: client.stats() }))
      return
    }
    const lines = status(links.map(({ transport, client }) => ({ transport, stats: client.stats() })))
    const columns = live ? (process.stdout.columns || 80) - 1 : Number.POSITIVE_INFINITY
    const text = statusLine(lines, columns, turn++)
    process.stdout.write(live ? `\r\x1b[K${text}` : `${text}\n`)
  }
  show()
  const timer = setInterval(show, live ? statusMs.terminal : statusMs.elsewhere)
  await once(stop, 'abort')
  clearInterval(timer)
}
