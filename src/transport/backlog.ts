// The links of a listener that nobody has taken yet: bounded, and what does not fit or is left over is closed.

import { LinkEnd } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { AsyncQueue } from '../base/queue.js'
import type { Link } from './transport.js'

export class Backlog implements AsyncIterable<Link> {
  readonly #links = new AsyncQueue<Link>(limits.link.backlog)

  /** The link is the backlog's until somebody takes it. */
  add(link: Link): void {
    if (!this.#links.push(link)) void link.close({ code: LinkEnd.limit, reason: 'too many links wait to be accepted' })
  }

  /** Nobody takes links any more. */
  end(): void {
    for (const link of this.#links.end()) void link.close({ code: LinkEnd.refused, reason: 'the listener closed' })
  }

  [Symbol.asyncIterator](): AsyncIterator<Link> {
    return this.#links[Symbol.asyncIterator]()
  }
}
