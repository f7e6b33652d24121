// The one engine of this process (or worker): empties the addon's queue of events when the bell rings and hands each
// to its link or listener. Keeps the process alive while there is something to wait for.

import { Gathering } from '../../base/gathering.js'
import { type Addon, eventKind, loadAddon, recordNumbers } from './binding.js'

/** Records taken at once, and how often in one turn before timers and sockets have theirs. */
const batch = 512
const rounds = 8
/** The longest interval that timers take; it never fires. */
const longest = 2 ** 31 - 1

export interface LinkSink {
  onConnected(): void
  onFailed(code: number, reason: string): void
  onStream(stream: number): void
  onReadable(stream: number): void
  onWritable(stream: number): void
  onReset(stream: number, code: number, byPeer: boolean): void
  onDatagrams(): void
  onMayOpen(): void
  onClosed(code: number, by: number, reason: string): void
}

export interface ListenerSink {
  /** The number of a new link; `links` has it before this returns. */
  onLink(link: number): void
  /** The listener was closed, its links have ended, and its port is free. */
  onUnlistened(): void
}

export class Engine {
  readonly addon: Addon
  readonly links = new Map<number, LinkSink>()
  readonly listeners = new Map<number, ListenerSink>()
  readonly #records = new Float64Array(batch * recordNumbers)
  #alive: NodeJS.Timeout | undefined
  #holders = 0
  #again: NodeJS.Immediate | undefined
  readonly #going: Gathering

  constructor() {
    this.addon = loadAddon()
    this.#going = new Gathering(() => this.addon.go())
    this.addon.start(() => this.#drain())
    // Neither process.exit nor an uncaught exception runs the addon's own cleanup in time.
    process.on('exit', () => this.addon.stop())
  }

  /** Something waits for events: the process stays. Call `letGo` once for each. */
  hold(): void {
    this.#holders++
    this.#alive ??= setInterval(() => {}, longest)
  }

  letGo(): void {
    this.#holders--
    if (this.#holders > 0) return
    clearInterval(this.#alive)
    this.#alive = undefined
  }

  /** The addon's thread is to do what calls of links left to it. Waking it is a system call and a switch of threads: with
   *  16 visitors who come and go, once for all costs a tenth less processor time. */
  goSoon(): void {
    this.#going.soon()
  }

  #drain(): void {
    this.#again = undefined
    for (let round = 0; round < rounds; round++) {
      const count = this.addon.events(this.#records)
      if (count === 0) return
      // One event's handler must not keep the rest from theirs.
      for (let i = 0; i < count; i++) this.#dispatch(i * recordNumbers)
    }
    this.#again ??= setImmediate(() => this.#drain())
  }

  #dispatch(at: number): void {
    const records = this.#records
    const id = records[at + 1]!
    const subject = records[at + 2]!
    const code = records[at + 3]!
    const who = records[at + 4]!
    if (records[at] === eventKind.incoming) {
      const listener = this.listeners.get(subject)
      if (listener !== undefined) listener.onLink(id)
      else this.addon.releaseLink(id)
      return
    }
    if (records[at] === eventKind.unlistened) {
      this.listeners.get(subject)?.onUnlistened()
      return
    }
    const link = this.links.get(id)
    if (link === undefined) return
    switch (records[at]) {
      case eventKind.readable:
        link.onReadable(subject)
        break
      case eventKind.writable:
        link.onWritable(subject)
        break
      case eventKind.stream:
        link.onStream(subject)
        break
      case eventKind.reset:
        link.onReset(subject, code, who === 1)
        break
      case eventKind.datagrams:
        link.onDatagrams()
        break
      case eventKind.mayOpen:
        link.onMayOpen()
        break
      case eventKind.connected:
        link.onConnected()
        break
      case eventKind.failed:
        link.onFailed(code, this.addon.reason(id))
        break
      case eventKind.closed:
        link.onClosed(code, who, this.addon.reason(id))
        break
    }
  }
}

let shared: Engine | undefined

/** Starts it on first use. Throws native_missing. */
export function sharedEngine(): Engine {
  shared ??= new Engine()
  return shared
}
