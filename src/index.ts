// petrel's public library API: re-exports only.

export { type ErrorCode, type ErrorSource, isPetrelError, LinkEnd, PetrelError, StreamReset } from './base/errors.js'
export { limits } from './base/limits.js'
export type { Log } from './base/log.js'
export { checkToken, makeToken } from './base/token.js'
export { startClient } from './client/client.js'
export type * from './client/options.js'
export type * from './proxy/proxy.js'
export type * from './server/options.js'
export { startServer } from './server/server.js'
export { transportByName } from './transport/index.js'
export type * from './transport/transport.js'
