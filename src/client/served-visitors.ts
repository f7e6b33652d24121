// What a client counts of one tcp proxy's visitors, for its status.

import type { Counters, ServeEnd } from '../proxy/proxy.js'

export class ServedVisitors {
  #active = 0
  readonly #counters = {
    accepted: 0,
    /** The service refused or did not answer. */
    refusedService: 0,
    endedClean: 0,
    endedServiceBroke: 0,
    endedStreamBroke: 0,
    endedIdle: 0,
    endedAborted: 0,
  }

  get status(): { readonly active: number; readonly counters: Counters } {
    return { active: this.#active, counters: { ...this.#counters } }
  }

  /** served: one visitor, until it has ended; never rejects. */
  async count(served: Promise<ServeEnd>): Promise<void> {
    this.#active++
    this.#counters.accepted++
    const end = await served
    this.#active--
    this.#counters[counterOf[end]]++
  }
}

const counterOf = {
  unreachable: 'refusedService',
  clean: 'endedClean',
  socket_broke: 'endedServiceBroke',
  stream_broke: 'endedStreamBroke',
  idle: 'endedIdle',
  aborted: 'endedAborted',
} as const satisfies Record<ServeEnd, string>
