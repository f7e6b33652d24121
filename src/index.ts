// petrel's public library API: re-exports only.

export { PetrelError } from './base/errors.js'
export type * from './transport/transport.js'
