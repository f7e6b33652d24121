// What server and client take from this floor.

import type { ProxyKind, ProxyType } from './proxy.js'
import { tcp } from './tcp.js'
import { udp } from './udp.js'

export { readStreamHeader } from './headers.js'
export { makeOpener } from './opener.js'
export { type ServeFlowsOptions, serveFlows } from './serve-flows.js'
export { serveTcp as serve } from './tcp.js'

/** Every type of proxy by its name. */
export const proxyTypes: Record<ProxyKind, ProxyType> = { tcp, udp }
