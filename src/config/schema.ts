// Looks into a schema: what stands at a path, which keys a group has, which settings there are in all. The only file
// that knows how the schema library builds its types.

import { z } from 'zod'
import type { FieldMeta } from './fields.js'

export type KeyPath = readonly (string | number)[]

/** The schema without what only says "optional" or "default". */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return bare(schema.def.innerType)
  }
  return schema
}

/** The schema of what stands at this path; undefined where the path leads to nothing known. */
export function schemaAt(schema: z.core.$ZodType, path: KeyPath): z.core.$ZodType | undefined {
  const here = bare(schema)
  const [key, ...rest] = path
  if (key === undefined) return here
  let next: z.core.$ZodType | undefined
  if (here instanceof z.ZodObject) next = here.shape[key]
  else if (here instanceof z.ZodRecord) next = here.def.valueType
  else if (here instanceof z.ZodArray) next = here.def.element
  return next === undefined ? undefined : schemaAt(next, rest)
}

/** The keys of the group at this path; empty where there is no group. */
export function keysAt(schema: z.core.$ZodType, path: KeyPath): readonly string[] {
  const here = schemaAt(schema, path)
  return here instanceof z.ZodObject ? Object.keys(here.shape) : []
}

/** What the schema at this path takes, in words. */
export function metaAt(schema: z.core.$ZodType, path: KeyPath): FieldMeta {
  const here = schemaAt(schema, path)
  if (here instanceof z.ZodObject) return { expected: 'a group of keys' }
  const meta = here instanceof z.ZodType ? here.meta() : undefined
  return typeof meta?.expected === 'string'
    ? { expected: meta.expected, secret: meta.secret === true }
    : { expected: 'nothing here' }
}

/** The words for the keys of a record (proxies by name). */
export function keyMetaAt(schema: z.core.$ZodType, path: KeyPath): FieldMeta {
  const here = schemaAt(schema, path)
  return metaAt(here instanceof z.ZodRecord ? here.def.keyType : z.never(), [])
}

export type SettingKind = 'number' | 'boolean' | 'text'

/** Every setting that is one value outside lists and records, by its path: what the environment can set. */
export function settings(schema: z.core.$ZodType, path: readonly string[] = []): Map<string, SettingKind> {
  const here = bare(schema)
  if (here instanceof z.ZodObject) {
    const entries = Object.entries(here.shape as Record<string, z.core.$ZodType>)
    return new Map(entries.flatMap(([key, inner]) => [...settings(inner, [...path, key])]))
  }
  if (here instanceof z.ZodRecord || here instanceof z.ZodArray) return new Map()
  const kind = here instanceof z.ZodNumber ? 'number' : here instanceof z.ZodBoolean ? 'boolean' : 'text'
  return new Map([[path.join('.'), kind]])
}
