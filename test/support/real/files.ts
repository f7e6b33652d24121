// Files of any size that do not compress, and their sums.

import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'

export async function randomFile(path: string, bytes: number): Promise<string> {
  const file = await open(path, 'w')
  const hash = createHash('sha256')
  for (let left = bytes; left > 0; ) {
    const chunk = randomBytes(Math.min(left, 1 << 20))
    hash.update(chunk)
    await file.write(chunk)
    left -= chunk.length
  }
  await file.close()
  return hash.digest('hex')
}

export async function sumOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
