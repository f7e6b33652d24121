// The memory transport keeps the promises of every transport.

import test from 'ava'
import { type MemoryPath, memoryTransport } from '../../src/transport/memory.js'
import type { Address } from '../../src/transport/transport.js'
import type { DarkPath } from '../support/dark-path.js'
import { compliance } from './compliance.js'

const times = { keepAliveMs: 300, silenceMs: 3_000 }

compliance(test, 'memory', () => {
  // A path is the listener's own address; the links that are dialled there hear its state.
  const paths = new Map<number, MemoryPath>()
  return {
    transport: memoryTransport(),
    impatient: {
      transport: memoryTransport({ times, path: (address) => paths.get(address.port) }),
      path: async (to: Address): Promise<DarkPath> => {
        let dark = false
        const cuts: (() => void)[] = []
        paths.set(to.port, {
          get dark() {
            return dark
          },
          onLink: (cut) => cuts.push(cut),
        })
        return {
          address: to,
          goDark: () => {
            dark = true
          },
          cut: () => {
            for (const cut of cuts) cut()
          },
        }
      },
    },
    beyondLimits: 'reset',
    mostHeldBytes: 3_000_000,
  }
})
