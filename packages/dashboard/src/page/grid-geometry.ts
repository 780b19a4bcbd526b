/** One cell with the gap after it, in pixels. The style sheet knows it, too. */
export const pitch = 20
/** The bars above the cells, in pixels. */
export const headHeight = 48
/** So many columns are drawn together. */
export const segmentSize = 8
/** The space after the newest column, in pixels. */
export const endSpace = 16

/** So many rows more than are seen are drawn, above and below. */
const moreRows = 4

/** What of a grid is seen. */
export interface Viewport {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

/** How large a grid is. */
export interface GridSize {
  readonly rows: number
  readonly columns: number
  /** The names of the rows, in pixels. */
  readonly nameWidth: number
}

/** What of a grid is drawn: from the first to before the last. Segments count from the newest column on. */
export interface GridWindow {
  readonly firstRow: number
  readonly endRow: number
  readonly firstSegment: number
  readonly endSegment: number
}

export function widthOf({ columns, nameWidth }: GridSize): number {
  return nameWidth + columns * pitch + endSpace
}

export function heightOf({ rows }: GridSize): number {
  return headHeight + rows * pitch
}

/** What has to be drawn for a viewport: whole segments, and some rows more, so that it seldom changes. */
export function windowOf({ left, top, width, height }: Viewport, size: GridSize): GridWindow {
  const fromEnd = (x: number): number => (widthOf(size) - endSpace - x) / pitch
  const firstColumn = fromEnd(left + width)
  const endColumn = fromEnd(left + size.nameWidth)
  const segments = Math.ceil(size.columns / segmentSize)
  const firstRow = Math.floor(top / pitch / moreRows) * moreRows - moreRows
  const endRow = Math.ceil((top + height - headHeight) / pitch / moreRows) * moreRows + moreRows
  return {
    firstRow: within(firstRow, 0, size.rows),
    endRow: within(endRow, 0, size.rows),
    firstSegment: within(Math.floor(firstColumn / segmentSize), 0, segments),
    endSegment: within(Math.floor(endColumn / segmentSize) + 1, 0, segments),
  }
}

/** Where a grid has to be scrolled to for a cell to be seen. Rows count from 1, after the head; columns from the newest on. */
export function scrolledTo(
  row: number,
  column: number,
  view: Viewport,
  size: GridSize,
): Pick<Viewport, 'left' | 'top'> {
  const right = widthOf(size) - endSpace - column * pitch
  const left = within(view.left, right + endSpace - view.width, right - pitch - size.nameWidth)
  if (row === 0) return { left, top: view.top }
  const bottom = headHeight + row * pitch
  return { left, top: within(view.top, bottom + pitch - view.height, (row - 1) * pitch) }
}

function within(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value))
}
