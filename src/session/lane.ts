// One transport in a race: tries a server's addresses, the next a little after the one before, and remembers how it went.

import { type ErrorCode, isPetrelError, PetrelError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Address, Transport, TransportName } from '../transport/transport.js'
import { type Call, type Entered, enter, leave } from './enter.js'
import { type Attempt, firstOf, type Rules, type Verdict } from './stagger.js'

/** What all lanes of one race have in common. */
export interface Field {
  readonly call: Call
  readonly addresses: readonly Address[]
  /** 16 bytes. */
  readonly dialId: Uint8Array
  /** Called with each link that is closed because another one is taken, or none. */
  onLeft(closing: Promise<void>): void
}

export class Lane implements Attempt<Entered> {
  readonly name: TransportName
  readonly afterMs: number
  /** Why it failed the last time; undefined while it has not, or is tried again. */
  error: unknown
  readonly #transport: Transport
  readonly #field: Field
  #startedMs = 0

  constructor(transport: Transport, field: Field) {
    this.name = transport.name
    this.afterMs = limits.race.startAfterMs[transport.name]
    this.#transport = transport
    this.#field = field
  }

  /** Since it was started. */
  get elapsedMs(): number {
    return Date.now() - this.#startedMs
  }

  async start(signal: AbortSignal): Promise<Entered> {
    this.#startedMs = Date.now()
    this.error = undefined
    const failures: unknown[] = []
    const attempts = this.#field.addresses.map((address) => ({
      afterMs: limits.race.nextAddressAfterMs,
      start: (wanted: AbortSignal) =>
        enter({ ...this.#field, transport: this.#transport, address }, wanted).catch((error) => {
          failures.push(error)
          throw error
        }),
    }))
    try {
      return await firstOf(attempts, rules(signal, this.#field))
    } catch (error) {
      if (signal.aborted) throw error // it did not fail, it was given up
      const isAlone = failures.length === 1 || verdict(error) === 'end'
      this.error = isAlone ? error : together(failures, failures.map(messageOf).join('; '))
      throw this.error
    }
  }
}

/** The rules of a race: between its transports, and between the addresses of each. */
export const rules = (signal: AbortSignal, { onLeft }: Pick<Field, 'onLeft'>): Rules<Entered> => ({
  signal,
  judge: verdict,
  tooLate: ({ link }) => onLeft(leave(link)),
})

/** What another transport or address may mend, or another moment. Whatever is not listed (the no of a server that has
 *  understood, a certificate that is not trusted) ends the race. */
const verdicts: Partial<Record<ErrorCode, Verdict>> = {
  dial_taken: 'wait',
  internal: 'next',
  link_lost: 'next',
  native_missing: 'never',
  protocol_violation: 'next',
  stream_reset: 'next',
  timeout: 'next',
  unreachable: 'next',
  unsupported: 'never',
}

export const verdict = (error: unknown): Verdict =>
  isPetrelError(error) ? (verdicts[error.code] ?? 'end') : verdicts.internal!

/** Several failures as one, with their code where they have one in common. A link that was taken outweighs the others. */
export function together(failures: readonly unknown[], message: string): PetrelError {
  const codes = failures.map((error) => (isPetrelError(error) ? error.code : 'internal'))
  const isCommon = codes.every((code) => code === codes[0])
  const code = codes.includes('dial_taken') ? 'dial_taken' : isCommon ? codes[0]! : 'unreachable'
  return new PetrelError(code, 'network', message, { cause: failures.at(-1) })
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
