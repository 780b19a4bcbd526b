import { Component } from 'preact'
import { base } from '../base.ts'
import { inLaterFrame, takeFrameShare } from '../frame-budget.ts'
import { endSpace, pitch } from '../grid-geometry.ts'
import type { GridColumn } from '../grid-runs.ts'
import { pathOf } from '../request.ts'
import { duration, localTime } from '../times.ts'
import { lookOf } from './state.tsx'

interface SegmentProps {
  /** The name of the row's task; `null` for the row of duration bars above the tasks. */
  readonly name: string | null
  /** The index of the row, from 1; 0 for the duration bars. */
  readonly row: number
  readonly columns: readonly GridColumn[]
  /** Number of newer columns in the grid. The newer columns are to the right of this segment. */
  readonly newer: number
  /** Total number of columns in the grid. */
  readonly count: number
  /**
   * The index of the column with the focusable cell, from 0 for the newest column. -1 if no cell of this segment is
   * focusable.
   */
  readonly active: number
  readonly longestMs: number
  readonly zone: string | undefined
}

/**
 * A segment: some neighboring cells in one row of the grid. The page creates a limited number of elements in one animation
 * frame. If a frame has reached this limit, a later frame draws the segment.
 */
export class Segment extends Component<SegmentProps, { readonly isDrawn: boolean }> {
  #giveUp: () => void = () => undefined

  constructor(props: SegmentProps) {
    super(props)
    this.state = { isDrawn: props.active !== -1 || takeFrameShare(costOf(props)) }
  }

  override componentDidMount(): void {
    if (this.state.isDrawn) return
    this.#giveUp = inLaterFrame(costOf(this.props), () => this.setState({ isDrawn: true }))
  }

  override componentWillUnmount(): void {
    this.#giveUp()
  }

  override shouldComponentUpdate(next: SegmentProps, { isDrawn }: { readonly isDrawn: boolean }): boolean {
    const now = this.props
    return (
      isDrawn !== this.state.isDrawn ||
      next.active !== now.active ||
      next.row !== now.row ||
      next.count !== now.count ||
      next.zone !== now.zone ||
      (next.name === null && next.longestMs !== now.longestMs) ||
      next.columns.length !== now.columns.length ||
      next.columns.some((column, index) => column !== now.columns[index])
    )
  }

  override render({ name, row, columns, newer, count, active, longestMs, zone }: SegmentProps) {
    // Draws the segment with the focusable cell immediately, even if this animation frame has already created its maximum
    // number of elements.
    if (!this.state.isDrawn && active === -1) return null
    return columns.map((column, index) => {
      const place = newer + index
      const shared = { place: `${row} ${place}`, isActive: place === active }
      const role = { role: name === null ? 'columnheader' : 'gridcell', 'aria-colindex': count - place + 1 } as const
      return (
        <div key={column.id} {...role} class="grid-place" style={{ right: `${endSpace + place * pitch}px` }}>
          {name === null ? (
            <Bar column={column} share={(column.tookMs ?? 0) / longestMs} zone={zone} {...shared} />
          ) : (
            <Cell column={column} name={name} {...shared} />
          )}
        </div>
      )
    })
  }
}

function costOf({ columns }: SegmentProps): number {
  return columns.length * 2
}

interface CellProps {
  readonly column: GridColumn
  readonly place: string
  readonly isActive: boolean
}

function Cell({ column, name, place, isActive }: CellProps & { readonly name: string }) {
  const cell = column.tasks.get(name)
  // If a task has no record in a run, its cell shows the state of the run, in a pale color.
  const { tone, text, icon } = lookOf(cell?.state ?? column.state)
  const said =
    cell === undefined
      ? `${name}: not begun, the run is ${text}`
      : `${name}: ${text}, ${cell.attempts} ${cell.attempts === 1 ? 'attempt' : 'attempts'}${cell.durationMs === null ? '' : `, ${duration(cell.durationMs)}`}`
  const hasNumber = cell !== undefined && cell.attempts > 1
  return (
    <a
      href={`${base}${pathOf('/run', { run: column.id, task: cell === undefined ? null : name })}`}
      class={`grid-cell tone-${tone}${hasNumber ? '' : ` shape-${icon}`}${cell === undefined ? ' faint' : ''}`}
      data-cell={place}
      tabIndex={isActive ? 0 : -1}
      aria-label={said}
    >
      {hasNumber ? cell.attempts : null}
    </a>
  )
}

const mostBar = 40
const leastBar = 3

function Bar({
  column,
  share,
  place,
  isActive,
  zone,
}: CellProps & { readonly share: number; readonly zone: string | undefined }) {
  const { date, time, offset } = localTime(Date.parse(column.at), zone)
  const { tone, text } = lookOf(column.state)
  const took = column.tookMs === null ? '' : `, took ${duration(column.tookMs)}`
  return (
    <a
      href={`${base}${pathOf('/run', { run: column.id })}`}
      class="grid-bar"
      data-cell={place}
      tabIndex={isActive ? 0 : -1}
      aria-label={`${date} ${time} ${offset}: ${text}${took}`}
    >
      <span class={`fill-${tone}`} style={{ height: `${Math.max(leastBar, share * mostBar)}px` }} />
    </a>
  )
}
