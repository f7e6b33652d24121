// The files in configs/ show every key with its default, and nothing that is not so.

import { readFileSync } from 'node:fs'
import test from 'ava'
import { parse } from 'yaml'
import type { z } from 'zod'
import { makeToken } from '../../src/base/token.js'
import { loadClient } from '../../src/config/client.js'
import { clientSchema } from '../../src/config/client-schema.js'
import { type KeyPath, keysAt, schemaAt } from '../../src/config/schema.js'
import { loadServer } from '../../src/config/server.js'
import { serverSchema } from '../../src/config/server-schema.js'
import { testFolder } from './folder.js'

const sample = (name: string) => readFileSync(`configs/${name}.yaml`, 'utf8')

/** Every key of every group, those of the elements of lists and records too. */
function allKeys(schema: z.core.$ZodType, path: KeyPath = []): string[] {
  return keysAt(schema, path).flatMap((key) => {
    const insides = [
      [...path, key],
      [...path, key, 0],
      [...path, key, 'any'],
    ]
    return [key, ...insides.flatMap((inside) => allKeys(schema, inside))]
  })
}

for (const [name, schema] of [
  ['server', serverSchema],
  ['client', clientSchema],
] as const) {
  test(`configs/${name}.yaml has every key`, (t) => {
    const text = sample(name)
    const missing = allKeys(schema).filter(
      (key) => !new RegExp(`(^|[\\s{#])${key}: `, 'm').test(text.replaceAll('\n', ' \n')),
    )
    t.deepEqual(missing, [])
  })

  test(`what configs/${name}.yaml shows in comments is right as well`, (t) => {
    for (const [, key = '', value = ''] of sample(name).matchAll(/^# ?([a-z_]+): (.*)$/gm)) {
      const at = schemaAt(schema, [key]) as z.ZodType | undefined
      t.truthy(at, key)
      t.true(at?.safeParse(parse(value)).success, `${key}: ${value}`)
    }
  })
}

test('configs/server.yaml is what a server without configuration does', (t) => {
  t.deepEqual(loadServer({ file: 'configs/server.yaml', env: {} }), loadServer({ env: {} }))
})

test('configs/client.yaml is what a client does with nothing but server, token and proxies', (t) => {
  const folder = testFolder(t)
  const full = folder.write('client.yaml', sample('client'))
  const short = folder.write(
    'short.yaml',
    `server: tunnel.example.com
proxies:
  ssh: { type: tcp, local_port: 22 }
  game: { type: udp, local_port: 7777, remote_port: 27777 }
  web: { type: tcp, local_host: 10.0.0.5, local_port: 80 }
`,
  )
  const env = { PETREL_TOKEN: makeToken() }
  t.deepEqual(loadClient({ file: full, env }), loadClient({ file: short, env }))
})
