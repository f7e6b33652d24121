// Goodput over loss, a panel for each RTT, as SVG. Written by hand: lines, circles and text are all it takes. The colours are
// of the palette that Okabe and Ito made for those who see fewer of them; petrel's lines are thick.

import type { Measurement } from './lossy-points.js'
import { lossesOf, median, rttsOf } from './lossy-report.js'

const panel = { width: 290, height: 220, left: 38, top: 54, gap: 14 }
const legend = { rowHeight: 18, columnWidth: 130 }
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#888888']
const mostMbit = 100

interface Series {
  readonly system: string
  readonly colour: string
  readonly isOurs: boolean
  readonly dash: string
}

/** systems: in the order of the legend. */
export function picture(all: readonly Measurement[], systems: readonly string[]): string {
  const measured = systems.filter((system) => all.some((one) => one.system === system))
  const series = measured.map((system, index) => ({
    system,
    colour: colours[index % colours.length] ?? '#000000',
    isOurs: system.startsWith('petrel'),
    // Where the colours begin again, the lines are broken.
    dash: index < colours.length ? '' : ' stroke-dasharray="5 3"',
  }))
  const rtts = rttsOf(all)
  const width = rtts.length * (panel.width + panel.gap) + panel.left
  const perRow = Math.max(1, Math.floor((width - panel.left) / legend.columnWidth))
  const rows = Math.ceil(series.length / perRow)
  const height = panel.top + panel.height + 44 + rows * legend.rowHeight
  const parts = [
    ...rtts.map((rtt, index) => drawPanel(all, series, rtt, panel.left + index * (panel.width + panel.gap))),
    ...series.map((one, index) => drawLegend(one, index, perRow)),
  ]
  const style = 'font-family="system-ui, sans-serif" font-size="12" fill="#444444"'
  const title = 'Goodput, Mbit/s, over packets lost each way'
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" role="img" aria-label="${title}" ${style}>
<rect width="${width}" height="${height}" fill="#ffffff"/>
<text x="${panel.left}" y="16">${title}</text>
${parts.join('\n')}
</svg>
`
}

const round = (value: number) => Math.round(value * 10) / 10
const yOf = (mbit: number) => round(panel.top + panel.height * (1 - Math.min(mbit, mostMbit) / mostMbit))

function drawPanel(all: readonly Measurement[], series: readonly Series[], rtt: number, left: number): string {
  const losses = lossesOf(all.filter(({ rttMs }) => rttMs === rtt))
  // The same scale for all.
  const most = Math.max(...lossesOf(all), 1)
  const xOf = (loss: number) => round(left + 10 + ((panel.width - 20) * loss) / most)
  const marks = [0, 25, 50, 75, 100].map((mbit) => {
    const line = `<line x1="${left}" x2="${left + panel.width}" y1="${yOf(mbit)}" y2="${yOf(mbit)}" stroke="#dddddd"/>`
    const label =
      left === panel.left ? `<text x="${left - 6}" y="${yOf(mbit) + 4}" text-anchor="end">${mbit}</text>` : ''
    return line + label
  })
  const below = panel.top + panel.height
  const ticks = losses.map((loss) => `<text x="${xOf(loss)}" y="${below + 16}" text-anchor="middle">${loss} %</text>`)
  const title = `<text x="${left + panel.width / 2}" y="${panel.top - 12}" text-anchor="middle" font-weight="600">${rtt} ms round trip</text>`
  const lines = series.map((one) => {
    const points = losses.flatMap((loss) => {
      const value = median(all, [one.system, rtt, loss], ({ goodput }) => goodput)
      // What did not work moved nothing.
      return value === undefined ? [] : [[xOf(loss), yOf(Number.isFinite(value) ? value : 0)] as const]
    })
    return drawLine(one, points)
  })
  return [title, ...marks, ...ticks, ...lines].join('\n')
}

function drawLine({ colour, isOurs, dash }: Series, points: readonly (readonly [number, number])[]): string {
  const path = points.map((point) => point.join(',')).join(' ')
  const width = isOurs ? 3 : 1.5
  const dots = points.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="${width + 0.5}" fill="${colour}"/>`)
  return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="${width}"${dash}/>${dots.join('')}`
}

function drawLegend(one: Series, index: number, perRow: number): string {
  const top = panel.top + panel.height + 52
  const x = panel.left + (index % perRow) * legend.columnWidth
  const y = top + Math.floor(index / perRow) * legend.rowHeight
  const weight = one.isOurs ? ' font-weight="600"' : ''
  const line = `<line x1="${x}" x2="${x + 22}" y1="${y - 4}" y2="${y - 4}" stroke="${one.colour}" stroke-width="${one.isOurs ? 3 : 1.5}"${one.dash}/>`
  return `${line}<text x="${x + 28}" y="${y}"${weight}>${one.system}</text>`
}
