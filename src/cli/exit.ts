// Exit codes: what a program that started petrel can tell apart. The table is also in the help.

import { type ErrorCode, isPetrelError } from '../base/errors.js'

export const exitCodes = {
  ok: 0,
  failure: 1,
  configuration: 2,
  authentication: 3,
  superseded: 4,
  refused: 5,
  unavailable: 6,
} as const

export const exitCodesHelp = `
Exit codes:
  0  ended in good order
  1  failed: network, system or a fault of petrel; the message says which
  2  configuration or flags that cannot be used
  3  authentication: wrong token, or the server is not the one that was expected
  4  superseded: the same client started again, here or elsewhere
  5  refused by the server: port, name or limit
  6  not available here: the native addon is missing, or the system lacks what is needed
  128 + signal  ended at once by a second Ctrl-C (130) or SIGTERM (143)`

const byCode: Partial<Record<ErrorCode, number>> = {
  config_invalid: exitCodes.configuration,
  token_invalid: exitCodes.configuration,
  auth_failed: exitCodes.authentication,
  certificate_untrusted: exitCodes.authentication,
  superseded: exitCodes.superseded,
  name_taken: exitCodes.refused,
  port_refused: exitCodes.refused,
  port_taken: exitCodes.refused,
  limit_exceeded: exitCodes.refused,
  native_missing: exitCodes.unavailable,
  unsupported: exitCodes.unavailable,
}

export const exitCodeOf = (error: unknown): number =>
  (isPetrelError(error) ? byCode[error.code] : undefined) ?? exitCodes.failure
