import { type Part, Rendered, visible } from './rendered.ts'

/** A table cell: its text and an optional style. */
export interface Cell {
  readonly text: string
  readonly style?: (part: Part) => Rendered
}

/** A column of a table. */
export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
  /** `true` if the column may be cut when the terminal is too narrow. */
  readonly shrinks?: boolean
}

const gap = '  '
const leastWidth = 8

/** Returns the width of a text on a terminal, in columns. */
type WidthOf = (text: string) => number

/**
 * Returns the lines of a table. The first line has the titles. `width` is the width of the terminal. Without `width`,
 * no cell is cut.
 */
export async function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly (string | Cell)[])[],
  { title, width }: { readonly title: (part: Part) => Rendered; readonly width?: number | undefined },
): Promise<readonly Rendered[]> {
  const head = columns.map((column) => ({ text: column.title, style: title }))
  const cells = [head, ...rows.map((row) => row.map((cell) => (typeof cell === 'string' ? { text: cell } : cell)))]
  const shown = cells.map((row) => row.map((cell) => ({ ...cell, text: visible(cell.text) })))
  const stringWidth = await widthFor(shown)
  const widths = columns.map((_, index) => Math.max(...shown.map((row) => stringWidth(row[index]?.text ?? ''))))
  if (width !== undefined) shrink(widths, columns, width)
  return shown.map((row) => lineOf(row, columns, widths, stringWidth))
}

/** Loads the character tables only for text outside of ASCII, because they load slowly. */
async function widthFor(rows: readonly (readonly Cell[])[]): Promise<WidthOf> {
  const isPlain = rows.every((row) => row.every(({ text }) => /^[\x20-\x7e]*$/.test(text)))
  return isPlain ? (text) => text.length : (await import('string-width')).default
}

function shrink(widths: number[], columns: readonly Column[], width: number): void {
  const available = width - gap.length * (columns.length - 1)
  for (let over = sum(widths) - available; over > 0; ) {
    const widest = Math.max(...widths.filter((_, index) => columns[index]?.shrinks))
    const index = widths.findIndex((one, position) => columns[position]?.shrinks && one === widest)
    if (index === -1 || widest <= leastWidth) return
    widths[index] = widest - 1
    over--
  }
}

function lineOf(
  row: readonly Cell[],
  columns: readonly Column[],
  widths: readonly number[],
  stringWidth: WidthOf,
): Rendered {
  const parts = row.map(({ text, style }, index) => {
    const width = widths[index] as number
    const cut = cutTo(text, width, stringWidth)
    const space = ' '.repeat(Math.max(0, width - stringWidth(cut)))
    const styled = style === undefined ? cut : style(new Rendered(cut)).text
    if (columns[index]?.align === 'right') return space + styled
    return index === row.length - 1 ? styled : styled + space
  })
  return new Rendered(parts.join(gap).trimEnd())
}

/** Returns the beginning of a text that fits `width`. A cut text ends with `…`. */
function cutTo(text: string, width: number, stringWidth: WidthOf): string {
  if (stringWidth(text) <= width) return text
  let kept = ''
  let used = 1
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    used += stringWidth(segment)
    if (used > width) break
    kept += segment
  }
  return `${kept}…`
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0)
}
