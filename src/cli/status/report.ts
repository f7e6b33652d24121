// The status of one petrel for people: a paragraph of lines. Pure. Names and reasons may be a peer's words, so nothing
// in them steers the terminal.

import { formatDuration } from 'date-fns/formatDuration'
import { intervalToDuration } from 'date-fns/intervalToDuration'
import { printable } from '../../base/printable.js'
import { formatBytes, formatRate } from '../figures.js'
import type { LinkReport, PetrelStatus, ProxyReport, SessionReport } from './document.js'

export function report(status: PetrelStatus): string[] {
  const { role, version, pid, uptimeMs, sessions } = status
  const head = `petrel ${role} ${version}, pid ${pid}, up ${formatTime(uptimeMs)}`
  // The clock of the process that tells.
  const nowMs = Date.parse(status.startedAt) + uptimeMs
  const lines = [where(status), ...sessions.flatMap((session) => describe(session, nowMs))]
  return [head, ...lines.map((line) => `  ${line}`)].map(printable)
}

function where({ role, server, transports = [], sessions, state = '', error }: PetrelStatus): string {
  if (role === 'client') return `server ${server}, ${state}${error === undefined ? '' : `: ${error}`}`
  const clients = `${sessions.length === 0 ? 'no' : sessions.length} client${sessions.length === 1 ? '' : 's'}`
  return `listens on ${server} (${transports.join(', ')}), ${clients}`
}

const describe = ({ client, since, link, flows, proxies }: SessionReport, nowMs: number): string[] => [
  ...(client === undefined ? [] : [`client ${client}, here for ${formatTime(nowMs - Date.parse(since))}`]),
  ...describeLink(link),
  ...drops(flows, link),
  ...proxies.flatMap(describeProxy),
]

function describeLink(link: LinkReport): string[] {
  const { rttMs, minRttMs, lossRatio, mtuBytes, cwndBytes, deliveryRate, congestionControl, openStreams } = link
  const { profile, bandwidth, bandwidthLimit } = link
  const path = [
    rttMs === undefined ? '' : `rtt ${rttMs.toFixed(1)} ms`,
    minRttMs === undefined ? '' : `least ${minRttMs.toFixed(1)} ms`,
    lossRatio === undefined ? '' : `loss ${(lossRatio * 100).toFixed(1)} % of what is sent`,
    mtuBytes === undefined ? '' : `mtu ${mtuBytes}`,
  ]
  const pace = [
    cwndBytes === undefined ? '' : `window ${formatBytes(cwndBytes)}`,
    deliveryRate === undefined ? '' : `path ${formatRate(deliveryRate)}`,
    congestionControl === undefined ? '' : `congestion control ${congestionControl}`,
  ]
  // Over tls neither rate is kept.
  const unkept = link.transport === 'tls' ? ' (not kept over tls)' : ''
  const told = [
    profile === undefined ? '' : `profile ${profile}`,
    bandwidth === undefined ? '' : `bandwidth ${formatRate(bandwidth)}${unkept}`,
    bandwidthLimit === undefined ? '' : `at most ${formatRate(bandwidthLimit)}${unkept}`,
  ]
  const traffic = [
    `sent ${formatBytes(link.sentBytes)}${rateOf(link.sentRate)}`,
    `received ${formatBytes(link.receivedBytes)}${rateOf(link.receivedRate)}`,
  ]
  const streams = `${openStreams} ${openStreams === 1 ? 'stream' : 'streams'} open`
  return [
    `link   ${link.transport} with ${link.remote}, ${streams}`,
    ...[path, pace, told, traffic]
      .map((parts) => parts.filter((part) => part !== '').join(', '))
      .filter((line) => line !== '')
      .map(under),
  ]
}

const rateOf = (bytesPerSecond: number | undefined): string =>
  bytesPerSecond === undefined ? '' : ` (${formatRate(bytesPerSecond)})`

function drops(flows: SessionReport['flows'], { droppedDatagrams = 0 }: LinkReport): string[] {
  const all = [...counts(flows, 'dropped'), ...(droppedDatagrams > 0 ? [`${droppedDatagrams} by the link`] : [])]
  return all.length === 0 ? [] : [under(`datagrams dropped: ${all.join(', ')}`)]
}

function describeProxy({ name, type, public: address, service, refused, active, counters }: ProxyReport): string[] {
  // A server knows no more of a service than its port.
  const target = service.startsWith(':') ? `port ${service.slice(1)} there` : service
  if (refused !== undefined) return [`proxy  ${name}: ${target}, not served: ${refused}`]
  const went = ['refused', 'ended', 'dropped'].flatMap((what) => {
    const some = counts(counters, what)
    return some.length === 0 ? [] : [`${what}: ${some.join(', ')}`]
  })
  const visitors = [`${active} active`, ...('accepted' in counters ? [`${counters.accepted} accepted`] : [])]
  return [`proxy  ${name}: ${type}://${address ?? '-'} -> ${target}`, under([visitors.join(', '), ...went].join('; '))]
}

/** "12 no stream": those of the counters that begin with `what` and have counted. */
const counts = (counters: Readonly<Record<string, number>>, what: string): string[] =>
  Object.entries(counters)
    .filter(([name, count]) => name.startsWith(what) && count > 0)
    .map(([name, count]) => `${count} ${words(name.slice(what.length)) || 'flows'}`)

/** "VisitorBroke": "visitor broke". */
const words = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).trim()

/** A line that goes on with what the one above began. */
const under = (line: string): string => `       ${line}`

const units = ['years', 'months', 'days', 'hours', 'minutes', 'seconds'] as const

/** Its two largest units: "2 hours 5 minutes". */
function formatTime(ms: number): string {
  const duration = intervalToDuration({ start: 0, end: Math.max(0, ms) })
  const largest = units.filter((unit) => (duration[unit] ?? 0) > 0).slice(0, 2)
  return largest.length === 0 ? 'less than a second' : formatDuration(duration, { format: largest })
}
