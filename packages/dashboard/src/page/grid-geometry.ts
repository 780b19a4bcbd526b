/** Width of a cell including its gap, in pixels. The style sheet contains the same number. */
export const pitch = 20
/** Height of the duration bars above the cells, in pixels. */
export const headHeight = 48
/** Number of columns in a segment. The grid creates and removes whole segments. */
export const segmentSize = 8
/** Width of the empty space after the newest column, in pixels. */
export const endSpace = 16

/** Number of rows that the grid draws beyond the visible rows, above and below. */
const moreRows = 4

/** Position and size of the visible part of a grid, in pixels. */
export interface Viewport {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

/** The number of rows and columns of a grid, and the width of its row names. */
export interface GridSize {
  readonly rows: number
  readonly columns: number
  /** Width of the row names, in pixels. */
  readonly nameWidth: number
}

/** The rows and segments of a grid to draw. Each end index is exclusive. Segment 0 has the newest columns. */
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

/**
 * Returns the part of the grid to draw: the visible part, extended to whole segments and by some rows. So the part to draw
 * stays the same when the user scrolls a little.
 */
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

/** Returns the scroll position that shows a cell. Row 1 is below the duration bars; column 0 is the newest. */
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
