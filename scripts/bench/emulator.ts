// A link in real time between two network namespaces (native/crates/netlab), driven from here. Linux, as root.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { createInterface } from 'node:readline'
import { builtProgram } from './processes.js'

/** One end: a namespace and its address there. */
export interface End {
  readonly namespace: string
  readonly address: string
}

export type Way = 'up' | 'down'

/** What of a way may change; both ways without `way`. Source of the names: native/crates/netlab/src/emulator/command.rs. */
export interface Settings {
  readonly way?: Way
  readonly delay_ms?: number
  readonly rate_mbit?: number
  readonly queue_bytes?: number
  readonly loss?: number
  readonly loss_burst?: number
  readonly jitter_ms?: number
  readonly reorder?: number
  readonly reorder_ms?: number
  readonly police_mbit?: number
  readonly police_bytes?: number
  readonly gap_ms?: number
  readonly gap_every_ms?: number
}

export interface Tally {
  readonly packets: number
  readonly bytes: number
}

/** Since the start. entered = delivered + queue + loss + outage + mtu + policer + in_flight, in packets. */
export interface WayCounts {
  readonly entered: Tally
  readonly delivered: Tally
  readonly queue: Tally
  readonly loss: Tally
  readonly outage: Tally
  readonly mtu: Tally
  readonly policer: Tally
  readonly reordered: Tally
  readonly in_flight: number
  /** Packets that the kernel dropped before the emulator read them, and those it did not take back. */
  readonly overflowed: number
  readonly refused: number
}

export interface Late {
  readonly count: number
  readonly p50_us: number
  readonly p99_us: number
  readonly p999_us: number
  readonly max_us: number
}

export interface Counts {
  readonly ways: Readonly<Record<Way, WayCounts>>
  /** How late packets came out since the mark, and a timer that does nothing else. */
  readonly late: Late
  readonly control: Late
  readonly cpu_s: number
  readonly wall_s: number
  /** Reasons not to believe what was measured since the mark. */
  readonly doubts: readonly string[]
}

interface Answer {
  readonly ready?: { readonly server: End; readonly client: End }
  readonly counts?: Counts
  readonly error?: string
}

/** For one answer. */
const patienceMs = 10_000

const endedEarly = 'the emulator ended'

/** Why there can be none here; '' when there can. */
export function whyNoEmulator(): string {
  if (process.platform !== 'linux') return 'only Linux has network namespaces'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
    return ''
  } catch {
    return 'there is no /dev/net/tun'
  }
}

/** Builds it when something changed; resolves with its path. Rejects with the reason when it cannot be built. */
export const emulatorPath = () => builtProgram('emulator')

export class Emulator {
  readonly #child: ChildProcess
  readonly #waiting: ((answer: Answer) => void)[] = []
  #ended = false
  #ends: { readonly server: End; readonly client: End } | undefined

  private constructor(program: string, seed: number) {
    // A group of its own: Ctrl-C reaches us alone, and what it made goes when its input ends.
    const stdio = ['pipe', 'pipe', 'inherit'] as const
    this.#child = spawn(program, ['--seed', `${seed}`], { stdio: [...stdio], detached: true })
    this.#child.stdin?.on('error', () => {}) // it has ended: the answer says so
    const ended = () => {
      this.#ended = true
      for (const settle of this.#waiting.splice(0)) settle({ error: endedEarly })
    }
    this.#child.once('error', ended).once('close', ended)
    const lines = createInterface({ input: this.#child.stdout! })
    lines.on('line', (line) => this.#waiting.shift()?.(JSON.parse(line) as Answer))
  }

  /** seed: of its random numbers; the same gives the same losses to the same packets. */
  static async start(program: string, seed = 1): Promise<Emulator> {
    const emulator = new Emulator(program, seed)
    const { ready } = await emulator.#answer()
    emulator.#ends = ready
    return emulator
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get server(): End {
    return this.#ends!.server
  }

  get client(): End {
    return this.#ends!.client
  }

  async set(settings: Settings): Promise<void> {
    await this.#say({ do: 'set', ...settings })
  }

  async preset(name: string): Promise<void> {
    await this.#say({ do: 'preset', name })
  }

  /** Nothing arrives for so long, from now on. */
  async outage(ms: number, way?: Way): Promise<void> {
    await this.#say({ do: 'outage', ms, ...(way === undefined ? {} : { way }) })
  }

  /** Lateness, control and CPU time count from here. */
  async mark(): Promise<void> {
    await this.#say({ do: 'mark' })
  }

  async counts(): Promise<Counts> {
    const { counts } = await this.#say({ do: 'counts' })
    if (counts === undefined) throw new Error('the emulator told no counts')
    return counts
  }

  /** Resolves when the namespaces are gone. */
  async stop(): Promise<void> {
    if (this.#ended) return
    const closed = once(this.#child, 'close')
    this.#child.stdin?.end()
    const late = setTimeout(() => this.#child.kill('SIGKILL'), patienceMs)
    await closed
    clearTimeout(late)
  }

  #say(command: object): Promise<Answer> {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`)
    return this.#answer()
  }

  async #answer(): Promise<Answer> {
    if (this.#ended) throw new Error(endedEarly)
    const answer = await new Promise<Answer>((resolve) => {
      const late = setTimeout(() => resolve({ error: 'the emulator does not answer' }), patienceMs)
      this.#waiting.push((one) => {
        clearTimeout(late)
        resolve(one)
      })
    })
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer
  }
}

/** What goes before a command line that runs at this end. */
export const inside = ({ namespace }: End): readonly string[] => ['ip', 'netns', 'exec', namespace]
