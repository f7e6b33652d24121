// Table and picture of the matrix, into a README and beside it.

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { picture } from './lossy-picture.js'
import { type Measurement, rateMbit } from './lossy-points.js'
import { circumstances, markdown } from './lossy-report.js'
import { writeBetween } from './readme.js'

/** From the folder of the README. */
const pictureFile = 'scripts/bench/lossy.svg'

/** Replaces what stands between the two marks, and writes the picture. systems: in the order of the rows. */
export function writeReadme(file: string, all: readonly Measurement[], systems: readonly string[]): void {
  const from = { up: 'client to server', down: 'server to client' }[all[0]?.way ?? 'up']
  const intro = [
    `![goodput over loss](${pictureFile})`,
    '',
    `${circumstances(all)}, all on this one machine; medians.`,
    `${rateMbit} Mbit/s each way, a queue of one bandwidth-delay product, loss each way by chance, bulk from ${from}.`,
    'No system knows the link, but where it is said. TCP has CUBIC, but where it is said, and buffers up to 64 MiB.',
  ].join('\n')
  const text = `${intro}\n\n${markdown(all, systems)}`
  writeBetween(file, 'lossy', text)
  const svg = join(dirname(file), pictureFile)
  mkdirSync(dirname(svg), { recursive: true })
  writeFileSync(svg, picture(all, systems))
}
