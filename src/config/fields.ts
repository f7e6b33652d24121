// The kinds of values that a configuration has. Each says in `expected` what it takes, for the error message.

import { isIP } from 'node:net'
import { z } from 'zod'
import { namePattern } from '../base/names.js'
import { parseAddress } from '../transport/address.js'
import { parseDuration, parseRate, parseSize } from './units.js'

/** What a field's schema says of itself; read back by schema.ts. */
export interface FieldMeta {
  readonly expected: string
  /** Its value never shows in a message. */
  readonly secret?: boolean
}

/** A string that `parse` turns into a value, or into undefined when it is not what was expected. */
function text<T>(meta: FieldMeta, parse: (value: string) => T | undefined) {
  return z
    .string()
    .transform((value, context) => {
      const parsed = parse(value)
      if (parsed !== undefined) return parsed
      context.addIssue({ code: 'custom', message: meta.expected })
      return z.NEVER
    })
    .meta({ ...meta })
}

const orUndefined = <T>(attempt: () => T): T | undefined => {
  try {
    return attempt()
  } catch {
    return undefined
  }
}

export const whole = (least: number, most: number) =>
  z
    .int()
    .min(least)
    .max(most)
    .meta({ expected: `a whole number from ${least} to ${most}` })

export const listenPort = z.int().min(0).max(65_535).meta({ expected: 'a port from 0 (any free one) to 65535' })
export const port = z.int().min(1).max(65_535).meta({ expected: 'a port from 1 to 65535' })

export const flag = z.boolean().meta({ expected: 'true or false' })

export const duration = text(
  { expected: 'a duration with its unit (ms, s, m, h, d), such as 10s, at most 24d' },
  parseDuration,
)
export const size = text({ expected: 'a size with its unit (B, KiB, MiB, GiB), such as 96MiB' }, parseSize)

export const rate = text(
  { expected: 'a rate with its unit (kbit, mbit, gbit, each a second), such as 50mbit, from 64kbit to 100gbit' },
  parseRate,
)

export const path = z.string().min(1).meta({ expected: 'the path of a file' })

export const hostName = text({ expected: 'a host name or an IP address, without a port' }, (value) =>
  isIP(value) !== 0 || /^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})$/.test(value) ? value : undefined,
)

export const ipAddress = text({ expected: 'an IP address, such as 0.0.0.0, 127.0.0.1 or ::' }, (value) =>
  isIP(value) !== 0 ? value : undefined,
)

/** An address with `defaultPort` where none is written. */
export const address = (defaultPort: number) =>
  text({ expected: 'host:port, [ipv6]:port or a host alone' }, (value) =>
    orUndefined(() => parseAddress(value, defaultPort)),
  )

/** Checked for its format by secrets.ts, whose message says how to make one. */
export const token = z.string().min(1).meta({ expected: 'a token made by `petrel token`', secret: true })

/** 32 bytes: SHA-256 of a public key, in base64url as the join string has it or in hex as openssl prints it. */
export const pin = text({ expected: 'a pin: 43 characters of base64url or 64 of hex' }, (value) => {
  const hex = value.replaceAll(':', '')
  if (/^[0-9a-fA-F]{64}$/.test(hex)) return new Uint8Array(Buffer.from(hex, 'hex'))
  const bytes = Buffer.from(value, 'base64url')
  return bytes.length === 32 && bytes.toString('base64url') === value ? new Uint8Array(bytes) : undefined
})

/** "8000" or "9000-9100", or the number itself. */
export const portRange = z
  .union([z.int(), z.string()])
  .transform((value, context) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(String(value))
    const start = Number(match?.[1] ?? Number.NaN)
    const end = Number(match?.[2] ?? start)
    if (start >= 1 && start <= end && end <= 65_535) return { start, end }
    context.addIssue({ code: 'custom', message: 'port range' })
    return z.NEVER
  })
  .meta({ expected: 'a port or a range such as 8000 or "9000-9100"' })

export const network = text({ expected: 'an IP address or a range such as 10.0.0.0/8' }, (value) => {
  const [base = '', bits, ...rest] = value.split('/')
  const family = isIP(base)
  if (family === 0 || rest.length > 0) return undefined
  if (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))) return undefined
  return value
})

export const proxyName = z
  .string()
  .regex(namePattern)
  .meta({ expected: 'a name of 1 to 64 characters out of a-z A-Z 0-9 . _ -' })

export const timeZone = text({ expected: 'local, utc or a time zone such as Europe/Berlin' }, (value) =>
  value === 'local' || orUndefined(() => new Intl.DateTimeFormat('en', { timeZone: value })) ? value : undefined,
)

export const choice = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values).meta({ expected: `one of ${values.join(', ')}` })
