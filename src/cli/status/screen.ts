// Where `petrel status --watch` draws: over the last picture on a terminal, one after the other elsewhere.

import { clearScreenDown, cursorTo } from 'node:readline'

export function draw(lines: readonly string[], to: NodeJS.WriteStream): void {
  if (!to.isTTY) {
    to.write(`${lines.join('\n')}\n\n`)
    return
  }
  cursorTo(to, 0, 0)
  clearScreenDown(to)
  to.write(`${cut(lines, to.columns, to.rows).join('\n')}\n`)
}

/** What fits: a line that wraps or a last one too many would move the picture. */
export function cut(lines: readonly string[], columns: number, rows: number): string[] {
  const room = Math.max(2, rows - 1)
  const hidden = lines.length - room + 1
  const shown = hidden > 1 ? [...lines.slice(0, room - 1), `… ${hidden} more lines: make the window taller`] : lines
  return shown.map((line) => line.slice(0, columns))
}
