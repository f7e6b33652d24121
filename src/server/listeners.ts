// One port number for every transport. Port 0 is chosen by the first and asked of the others; when one of them finds
// it taken, all begin again with another.

import { isPetrelError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Listener } from '../transport/transport.js'
import type { ServerOptions } from './options.js'

/** All listen, or none does and the first error is thrown. */
export async function listenAll(options: ServerOptions): Promise<readonly Listener[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listenOnce(options)
    } catch (error) {
      const mayRetry =
        options.bind.port === 0 && attempt < limits.ports.bindTries && isPetrelError(error, 'address_in_use')
      if (!mayRetry) throw error
    }
  }
}

async function listenOnce({ bind, transports, credentials }: ServerOptions): Promise<readonly Listener[]> {
  const listeners: Listener[] = []
  try {
    for (const transport of transports) {
      const port = listeners[0]?.address.port ?? bind.port
      listeners.push(await transport.listen({ host: bind.host, port }, { credentials }))
    }
    return listeners
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener.close()))
    throw error
  }
}
