// From a fresh clone to something that runs: packages, JavaScript, addon. Each step does nothing when nothing changed.

import { buildAddon } from './addon.mjs'
import { compile } from './compile.mjs'
import { install } from './install.mjs'
import { StepFailed } from './run.mjs'

const oldest = [20, 19]

/**
 * Resolves with whether the addon may be used. addonMayFail: a build that fails leaves TLS only, said aloud.
 * sayMissing: tell that cargo is missing; not where petrel itself says so next.
 */
export async function setup({ addonMayFail = false, sayMissing = true } = {}) {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
    throw new StepFailed(`Node ${process.versions.node} is too old: petrel needs ${oldest.join('.')} or later`, '')
  }
  await install()
  await compile()
  try {
    return await buildAddon({ sayMissing })
  } catch (error) {
    if (!addonMayFail || !(error instanceof StepFailed)) throw error
    console.error(error.output)
    console.error(
      'the native addon does not build here (see above): QUIC and KCP are left out and TLS carries everything',
    )
    process.env.PETREL_NATIVE ??= 'off'
    return false
  }
}

/** Runs the entry of a script: a failed step ends with its output and exit code 1, without a stack trace. */
export async function main(entry) {
  try {
    process.exitCode = (await entry()) ?? process.exitCode ?? 0
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    if (error.output !== '') console.error(error.output)
    console.error(error.message)
    process.exitCode = 1
  }
}
