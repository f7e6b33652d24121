// The options of `register`: u8 key | u16 length | value, in any order, each key at most as often as it may stand.
// A key that we do not know is refused and not skipped: an access list that is silently left out would open a port.

import { PetrelError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { FieldReader, FieldWriter, malformed } from './fields.js'
import type { RegisterOptions } from './messages.js'

const Key = { bindAddress: 1, allow: 2, deny: 3, maxConnections: 4, idleTimeoutMs: 5, noDelay: 6 } as const

/** Throws config_invalid on lists that the message could not say: an allow list without entries would read as none,
 *  and let everybody in. */
export function writeOptions(writer: FieldWriter, options: RegisterOptions): void {
  if (options.allow?.length === 0) {
    throw invalid('allow has no entry, so nobody could visit: list who may, or leave it out')
  }
  const entries = (options.allow?.length ?? 0) + (options.deny?.length ?? 0)
  if (entries > limits.control.visitorRanges) {
    throw invalid(`allow and deny have ${entries} entries, at most ${limits.control.visitorRanges} fit: join ranges`)
  }
  const option = (key: number, value: Uint8Array) => writer.u8(key).u16(value.length).bytes(value)
  const u32 = (value: number) => new FieldWriter().u32(value).done()
  if (options.bindAddress !== undefined) option(Key.bindAddress, Buffer.from(options.bindAddress))
  for (const range of options.allow ?? []) option(Key.allow, Buffer.from(range))
  for (const range of options.deny ?? []) option(Key.deny, Buffer.from(range))
  if (options.maxConnections !== undefined) option(Key.maxConnections, u32(options.maxConnections))
  if (options.idleTimeoutMs !== undefined) option(Key.idleTimeoutMs, u32(options.idleTimeoutMs))
  if (options.noDelay !== undefined) option(Key.noDelay, Uint8Array.of(options.noDelay ? 1 : 0))
}

/** Reads to the end of the message. Throws protocol_violation. */
export function optionsFrom(reader: FieldReader): RegisterOptions {
  const options: { -readonly [K in keyof RegisterOptions]: RegisterOptions[K] } = {}
  const allow: string[] = []
  const deny: string[] = []
  const seen = new Set<number>()
  while (reader.left > 0) {
    const key = reader.u8()
    const field = new FieldReader(reader.bytes(reader.u16()))
    if (seen.has(key) && key !== Key.allow && key !== Key.deny) throw malformed(`option ${key} of register twice`)
    seen.add(key)
    if (key === Key.bindAddress) options.bindAddress = field.text(field.left)
    else if (key === Key.allow) allow.push(field.text(field.left))
    else if (key === Key.deny) deny.push(field.text(field.left))
    else if (key === Key.maxConnections) options.maxConnections = field.u32()
    else if (key === Key.idleTimeoutMs) options.idleTimeoutMs = field.u32()
    else if (key === Key.noDelay) options.noDelay = flag(field.u8())
    else throw malformed(`option ${key} of register`)
    field.end()
  }
  const most = limits.control.visitorRanges
  if (allow.length + deny.length > most) throw malformed(`more than ${most} ranges of visitors`)
  if (allow.length > 0) options.allow = allow
  if (deny.length > 0) options.deny = deny
  return options
}

function flag(value: number): boolean {
  if (value > 1) throw malformed(`${value} where 0 or 1 stands`)
  return value === 1
}

const invalid = (message: string) => new PetrelError('config_invalid', 'config', message)
