// What the load generator and the service say to each other through whatever is measured. The first byte of a
// connection is a command; download, upload and count are followed by a u64 of how many bytes are asked for.

export const echo = 0x45
export const download = 0x44
export const upload = 0x55
/** An upload that is answered while it goes on, each countEveryMs, by a u64 of how many bytes have arrived. */
export const count = 0x43
export const countEveryMs = 50
/** Command and byte count. */
export const orderBytes = 9
/** The answer to an upload: u64, the bytes that arrived. */
export const receiptBytes = 8

/** Bytes a write; large, so that the two ends are not what is measured. */
export const chunkBytes = 256 * 1024

export function order(command: number, bytes: number): Buffer {
  const message = Buffer.alloc(orderBytes)
  message[0] = command
  message.writeBigUInt64BE(BigInt(bytes), 1)
  return message
}

/** The byte at `offset` of every transfer. Its period is prime, so that bytes lost or moved show at once. */
export const pattern = (offset: number) => (offset % 251) & 0xff

// Longer than a chunk by a period, so that a piece can begin anywhere in it.
const block = Buffer.alloc(chunkBytes + 251)
for (let at = 0; at < block.length; at++) block[at] = pattern(at)

/** The bytes from `offset`, at most `bytes` and at most chunkBytes of them; a view of shared memory. */
export function piece(offset: number, bytes: number): Buffer {
  const from = offset % 251
  return block.subarray(from, from + Math.min(bytes, chunkBytes))
}

/** Looks at the first, the middle and the last byte: enough to see lost, doubled or swapped pieces, and it costs nothing. */
export function isRight(chunk: Uint8Array, offset: number, length: number): boolean {
  const middle = length >> 1
  return (
    length === 0 ||
    (chunk[0] === pattern(offset) &&
      chunk[middle] === pattern(offset + middle) &&
      chunk[length - 1] === pattern(offset + length - 1))
  )
}
