// The transports that end-to-end tests and gates run over, and tests that say aloud what they could not run.

import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { transportByName } from '../../src/transport/index.js'
import type { Transport, TransportName } from '../../src/transport/transport.js'
import { makeCredentials } from './credentials.js'

/** What carries a link on a real network. A new transport is one word here. */
export const transportNames: readonly TransportName[] = ['tls', 'quic', 'kcp']

/** Why a transport cannot be used here, by its name; nothing for those that can. */
const missing = new Map<TransportName, string>()
for (const name of transportNames) {
  try {
    const listening = transportByName(name).listen(
      { host: '127.0.0.1', port: 0 },
      { credentials: await makeCredentials() },
    )
    await (await listening).close()
  } catch (error) {
    missing.set(name, (error as Error).message.split('\n')[0] ?? '')
  }
}

export interface Needs {
  /** Programs that must be on PATH or in the system's folders of daemons. */
  readonly programs?: readonly string[]
  /** Another reason not to run: '' for none. */
  readonly unless?: string
  /** For ava, where a test takes longer than its default. */
  readonly timeoutMs?: number
  /** Alone, one after the other: for what measures. */
  readonly serial?: boolean
}

/** Declares one test for each transport; where something is missing, a skipped one whose title says what. */
export function overEach(title: string, body: (t: ExecutionContext, over: Transport) => Promise<void>, needs?: Needs) {
  for (const name of transportNames) {
    const reason = missing.get(name)
    declare(
      `${name}: ${title}`,
      (t) => body(t, transportByName(name)),
      reason === undefined ? needs : { ...needs, unless: reason },
    )
  }
}

/** What a client may be told to use: a transport, or all of them in a race. */
export type LinkName = TransportName | 'auto'

/** As overEach, and once over `auto`, for what runs the real binary. */
export function overEachAndAuto(
  title: string,
  body: (t: ExecutionContext, over: LinkName) => Promise<void>,
  needs?: Needs,
) {
  overEach(title, (t, { name }) => body(t, name), needs)
  declare(`auto: ${title}`, (t) => body(t, 'auto'), needs)
}

/** The same without a transport. */
export function declare(title: string, body: (t: ExecutionContext) => Promise<void>, needs: Needs = {}): void {
  const absent = (needs.programs ?? []).filter((program) => programPath(program) === undefined)
  const reasons = [...(needs.unless ? [needs.unless] : []), ...absent.map((program) => `${program} is not installed`)]
  if (reasons.length > 0) {
    test.skip(`${title} (SKIP: ${reasons.join(', ')})`, () => {})
    return
  }
  const run = needs.serial ? test.serial : test
  run(title, async (t) => {
    if (needs.timeoutMs !== undefined) t.timeout(needs.timeoutMs)
    await body(t)
  })
}

/** The program's whole path, which sshd wants; undefined: not installed. */
export function programPath(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin']
  return folders.map((folder) => join(folder, program)).find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
