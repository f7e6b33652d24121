// How V8 collects the garbage of a process that carries bytes. Received bytes come in array buffers that live for a
// moment; V8 counts them as growth of the old heap.

import { setFlagsFromString } from 'node:v8'

/** How far the old heap may grow beyond what lived at the last full collection, percent. V8's own choice is so tight for
 *  a heap of 15 MB that every 30 MB of traffic cause a full collection, which take a third of the processor time. */
const growthPercent = 400

/** Call once, early. */
export function tuneHeap(): void {
  setFlagsFromString(`--heap-growing-percent=${growthPercent}`)
}
