// What `scripts/bench/lossy` may be told.

import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { losses, type Point, parsePoints, rtts, type Way } from './lossy-points.js'

export interface LossyOptions {
  readonly points: readonly Point[]
  readonly systems: readonly string[]
  /** Undefined: as many as each point has. */
  readonly rounds: number | undefined
  readonly seconds: number | undefined
  readonly way: Way
  /** What the link has besides, as JSON. */
  readonly link: string | undefined
  readonly results: string
  /** Only tables of what is there. */
  readonly reports: boolean
  readonly readme: string | undefined
}

const cache =
  process.env.PETREL_BENCH_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'petrel-bench')

export const usage = `usage: scripts/bench/lossy [options]
  --points LIST   RTT in ms / loss in % each way, separated by commas, for instance 50/0,200/5
                  (default ${rtts.join(', ')} ms with ${losses.join(', ')} % each)
  --systems LIST  which of them (default: all that are there)
  --rounds N      for every point (default 3 at 50 and 200 ms with 0, 5 and 20 %, 1 elsewhere)
  --seconds S     each takes (default 20; at 600 ms 40)
  --way up|down   up (default): a visitor at the server fetches from a service at the client; down: the visitor sends
  --link JSON     what the link has besides, as native/crates/netlab/src/emulator/command.rs names it; for instance
                  {"loss_burst":4,"loss":0.05}, {"jitter_ms":20}, {"reorder":0.05,"reorder_ms":5}, {"police_mbit":50},
                  {"gap_ms":1000,"gap_every_ms":15000}, {"way":"down","rate_mbit":10}
  --results FILE  where each measurement goes, a line of JSON; what is there already is not measured again, also not with
                  another build of petrel: take another file then
                  (default ${join(cache, 'lossy.jsonl')})
  --report        measures nothing, only prints what the results file holds
  --readme FILE   writes table and picture between its two lines "bench: lossy"
Links of 100 Mbit/s each way with a queue of one bandwidth-delay product, made by native/crates/netlab. Needs Linux, root,
/dev/net/tun and cargo. scripts/bench/peers builds rathole, frp and kcptun; hysteria and rstun are taken from PATH.
Exit code 1: some figures are not to be believed, and why; 130: interrupted, the same command goes on.`

/** Undefined: help is wanted. Throws on what makes no sense. */
export function parse(args: readonly string[], known: readonly string[]): LossyOptions | undefined {
  const text = { type: 'string' as const }
  const flag = { type: 'boolean' as const }
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{
        points: text,
        systems: text,
        rounds: text,
        seconds: text,
        way: text,
        link: text,
        results: text,
        readme: text,
      },
      ...{ report: flag, help: flag },
    },
  })
  if (values.help) return undefined
  const names = values.systems?.split(',').map((one) => one.trim()) ?? known
  const wrong = names.find((one) => !known.includes(one))
  if (wrong !== undefined) throw new Error(`--systems: unknown "${wrong}"; known: ${known.join(', ')}`)
  const { way = 'up' } = values
  if (way !== 'up' && way !== 'down') throw new Error(`--way: "${way}" is neither up nor down`)
  return {
    points: values.points === undefined ? everyPoint() : parsePoints(values.points),
    systems: names,
    rounds: number(values.rounds, 'rounds'),
    seconds: number(values.seconds, 'seconds'),
    way,
    link: link(values.link),
    results: values.results ?? join(cache, 'lossy.jsonl'),
    reports: values.report ?? false,
    readme: values.readme,
  }
}

function link(given: string | undefined): string | undefined {
  if (given === undefined) return undefined
  try {
    const settings: unknown = JSON.parse(given)
    if (typeof settings === 'object' && settings !== null && !Array.isArray(settings)) return JSON.stringify(settings)
  } catch {
    // Told below.
  }
  throw new Error(`--link: ${given} is no object in JSON`)
}

const everyPoint = () => rtts.flatMap((rttMs) => losses.map((lossPercent) => ({ rttMs, lossPercent })))

function number(given: string | undefined, option: string): number | undefined {
  if (given === undefined) return undefined
  const value = Number(given)
  if (!(Number.isInteger(value) && value > 0)) throw new Error(`--${option}: ${given} is no whole number above 0`)
  return value
}
