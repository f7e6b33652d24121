// Puts what was measured between its two marks in a README.

import { readFileSync, writeFileSync } from 'node:fs'

/** Replaces what stands between the lines "bench: NAME, begin" and "bench: NAME, end". Throws when they are not there. */
export function writeBetween(file: string, name: string, text: string): void {
  const marks = new RegExp(`(<!-- bench: ${name}, begin -->\\n)[\\s\\S]*?(<!-- bench: ${name}, end -->)`)
  const old = readFileSync(file, 'utf8')
  if (!marks.test(old)) throw new Error(`${file} has no lines "bench: ${name}"`)
  writeFileSync(
    file,
    old.replace(marks, (_all, begin, end) => `${begin}${text}\n${end}`),
  )
}
