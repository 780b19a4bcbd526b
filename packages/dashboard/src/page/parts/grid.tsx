import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import {
  type GridSize,
  type GridWindow,
  headHeight,
  heightOf,
  pitch,
  scrolledTo,
  segmentSize,
  type Viewport,
  widthOf,
  windowOf,
} from '../grid-geometry.ts'
import type { GridColumn } from '../grid-runs.ts'
import { follow } from '../location.tsx'
import { localTime } from '../times.ts'
import { Segment } from './grid-segment.tsx'
import { Empty } from './loaded.tsx'
import { useZone } from './time.tsx'

interface GridProps {
  /** The runs of the grid, newest first. */
  readonly columns: readonly GridColumn[]
  /** The tasks of the job's current version, followed by tasks of older versions. */
  readonly tasks: readonly string[]
}

const wideNames = 176
const narrowNames = 108
const narrowBox = 600

/** Used as the visible part of the grid before the first measurement. The grid then draws its newest columns. */
const unmeasured: Viewport = { left: 0, top: 0, width: 0, height: 0 }

/**
 * Shows the runs of a job: one column per run with the newest on the right, one row per task. The page draws only the visible
 * part.
 */
export function Grid(props: GridProps) {
  if (props.columns.length === 0) return <Empty>It has not run yet.</Empty>
  return <FilledGrid {...props} />
}

function FilledGrid({ columns, tasks }: GridProps) {
  const zone = useZone()
  const box = useRef<HTMLDivElement>(null)
  const [view, setView] = useState(unmeasured)
  const [active, setActive] = useState<readonly [row: number, column: number]>([0, 0])
  const isMoved = useRef(false)
  const names = useMemo(
    () => [...new Set([...tasks, ...columns.flatMap(({ tasks: of }) => [...of.keys()])])],
    [columns, tasks.join('\n')],
  )
  const longestMs = useMemo(() => columns.reduce((most, { tookMs }) => Math.max(most, tookMs ?? 0), 1), [columns])
  const nameWidth = view.width > 0 && view.width < narrowBox ? narrowNames : wideNames
  const size: GridSize = { rows: names.length, columns: columns.length, nameWidth }
  const seen = windowOf(view, size)
  const row = Math.min(active[0], names.length)
  const column = Math.min(active[1], columns.length - 1)

  const measure = (): void => {
    if (box.current === null) return
    const now = viewOf(box.current)
    setView((before) => (isSameWindow(before, now, size) ? before : now))
  }
  useLayoutEffect(measure, [names.length, columns.length])
  useStay(box, columns, measure)
  useLayoutEffect(() => {
    if (!isMoved.current) return
    isMoved.current = false
    box.current?.querySelector<HTMLElement>(`[data-cell="${row} ${column}"]`)?.focus({ preventScroll: true })
  }, [row, column])

  const move = (event: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor((view.height - headHeight) / pitch) - 1)
    const steps: Readonly<Record<string, readonly [number, number]>> = {
      ArrowLeft: [0, 1],
      ArrowRight: [0, -1],
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      PageUp: [-page, 0],
      PageDown: [page, 0],
      Home: [0, columns.length],
      End: [0, -columns.length],
    }
    const step = steps[event.key]
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    const next = [within(row + step[0], names.length + 1), within(column + step[1], columns.length)] as const
    const { current } = box
    if (current === null) return
    const { left, top } = scrolledTo(...next, viewOf(current), size)
    current.scrollLeft = left
    current.scrollTop = top
    // The browser reports the scroll in its next frame. New runs that appear before the report would undo the scroll.
    current.dispatchEvent(new Event('scroll'))
    isMoved.current = next[0] !== row || next[1] !== column
    setActive(next)
  }
  const shared = { columns, zone, longestMs, seen, active: column }
  return (
    <>
      <div class="grid-box" ref={box} role="region" aria-label="Grid of slots and tasks" onScroll={measure}>
        <div
          class="grid"
          role="grid"
          aria-label="Slots and tasks"
          aria-rowcount={names.length + 1}
          aria-colcount={columns.length + 1}
          style={{ width: `${widthOf(size)}px`, height: `${heightOf(size)}px` }}
          onKeyDown={move}
          onClick={follow}
          onPointerOver={showLabel}
          onFocusIn={({ target }) => setActive(placeOf(target as HTMLElement) ?? active)}
        >
          <div
            class="grid-row grid-head"
            role="row"
            tabIndex={-1}
            aria-rowindex={1}
            style={{ height: `${headHeight}px` }}
          >
            <div
              class="grid-name"
              role="columnheader"
              tabIndex={-1}
              aria-colindex={1}
              style={{ width: `${nameWidth}px` }}
            >
              <span class="hidden-text">Task</span>
            </div>
            <Segments {...shared} name={null} row={0} isActive={row === 0} />
          </div>
          {rowsOf(seen, row).map((index) => {
            const name = names[index - 1] as string
            const top = `${headHeight + (index - 1) * pitch}px`
            return (
              <div key={name} class="grid-row" role="row" tabIndex={-1} aria-rowindex={index + 1} style={{ top }}>
                <div
                  class="grid-name"
                  role="rowheader"
                  tabIndex={-1}
                  aria-colindex={1}
                  title={name}
                  style={{ width: `${nameWidth}px` }}
                >
                  <bdi>{name}</bdi>
                </div>
                <Segments {...shared} name={name} row={index} isActive={index === row} />
              </div>
            )
          })}
        </div>
      </div>
      <p class="grid-span quiet">
        <span>{spanText(columns.at(-1), zone)}</span>
        <span>{spanText(columns[0], zone)}</span>
      </p>
    </>
  )
}

interface SegmentsProps {
  readonly columns: readonly GridColumn[]
  readonly seen: GridWindow
  readonly name: string | null
  readonly row: number
  readonly active: number
  readonly isActive: boolean
  readonly longestMs: number
  readonly zone: string | undefined
}

function Segments({ columns, seen, active, isActive, ...others }: SegmentsProps) {
  const ofActive = Math.floor(active / segmentSize)
  const drawn = Array.from({ length: seen.endSegment - seen.firstSegment }, (_, index) => seen.firstSegment + index)
  // Always draws the row with the focused cell, so that Tab can return to it.
  if (isActive && !drawn.includes(ofActive)) drawn.push(ofActive)
  return (
    <>
      {drawn.map((segment) => {
        const newer = segment * segmentSize
        return (
          <Segment
            key={segment}
            {...others}
            columns={columns.slice(newer, newer + segmentSize)}
            newer={newer}
            count={columns.length}
            active={isActive && segment === ofActive ? active : -1}
          />
        )
      })}
    </>
  )
}

/** Returns the indexes of the rows to draw, from 1: the visible rows, and the row with the focused cell. */
function rowsOf({ firstRow, endRow }: GridWindow, active: number): readonly number[] {
  const rows = Array.from({ length: endRow - firstRow }, (_, index) => firstRow + index + 1)
  return active === 0 || rows.includes(active) ? rows : [...rows, active]
}

/**
 * Keeps the same columns visible when runs appear on the left or right, or when the width changes. For this, sets the scroll
 * position.
 */
function useStay(
  box: { readonly current: HTMLDivElement | null },
  columns: readonly GridColumn[],
  measure: () => void,
): void {
  const before = useRef({ newest: '', fromEnd: 0 })
  const newest = columns[0]?.id ?? ''
  useLayoutEffect(() => {
    const { current } = box
    if (current === null) return
    const stay = (): void => {
      const { newest: seen, fromEnd } = before.current
      // If the newest columns were visible before new runs appeared, the grid scrolls to the columns of the new runs.
      // Otherwise, the same columns stay visible.
      const added =
        fromEnd < pitch
          ? 0
          : Math.max(
              0,
              columns.findIndex(({ id }) => id === seen),
            )
      current.scrollLeft = current.scrollWidth - current.clientWidth - fromEnd - added * pitch
      remember()
      measure()
    }
    const remember = (): void => {
      const fromEnd = current.scrollWidth - current.clientWidth - current.scrollLeft
      before.current = { newest, fromEnd }
    }
    stay()
    const observer = new ResizeObserver(stay)
    observer.observe(current)
    current.addEventListener('scroll', remember, { passive: true })
    return () => {
      observer.disconnect()
      current.removeEventListener('scroll', remember)
    }
  }, [columns])
}

function viewOf({ scrollLeft: left, scrollTop: top, clientWidth: width, clientHeight: height }: HTMLElement): Viewport {
  return { left, top, width, height }
}

function isSameWindow(before: Viewport, now: Viewport, size: GridSize): boolean {
  if (before.width !== now.width || before.height !== now.height) return false
  const [one, other] = [windowOf(before, size), windowOf(now, size)]
  return (
    one.firstRow === other.firstRow &&
    one.endRow === other.endRow &&
    one.firstSegment === other.firstSegment &&
    one.endSegment === other.endSegment
  )
}

function placeOf(target: HTMLElement): readonly [number, number] | null {
  const [row, column] = (target.dataset.cell ?? '').split(' ').map(Number)
  return row === undefined || column === undefined ? null : [row, column]
}

/**
 * Sets the tooltip of a cell when the pointer enters it. Setting all tooltips in advance would be slow for thousands of
 * cells.
 */
function showLabel({ target }: PointerEvent): void {
  const cell = (target as HTMLElement).closest<HTMLElement>('[data-cell]')
  if (cell !== null) cell.title = cell.getAttribute('aria-label') ?? ''
}

function within(index: number, count: number): number {
  return Math.max(0, Math.min(count - 1, index))
}

function spanText(column: GridColumn | undefined, zone: string | undefined): string {
  if (column === undefined) return ''
  const { date, time } = localTime(Date.parse(column.at), zone)
  return `${date} ${time}`
}
