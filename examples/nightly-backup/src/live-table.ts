import type { AttemptReport, Occurrence, TaskReport } from '@jobistemer/core'
import type { PictureLine } from './screen.ts'
import { type Paint, printDuration, printSlot, type Tone } from './style.ts'

interface Segment {
  readonly tone: Tone
  readonly text: string
}

type Cell = readonly Segment[]

export interface TableOptions {
  readonly taskNames: readonly string[]
  /** The slots that are known to come, whether the ledger has an entry for them yet or not. */
  readonly slots: readonly Date[]
  readonly occurrences: readonly Occurrence[]
  readonly now: Date
  /** No line is wider. */
  readonly columns: number
  readonly paint: Paint
}

// From the most telling to the narrowest: the first that fits is taken.
const layouts = [
  { durations: true, notes: true },
  { durations: true, notes: false },
  { durations: false, notes: false },
]

/** The ledger as a table: a line for each slot, a column for each task. */
export function tableOf(options: TableOptions): readonly PictureLine[] {
  const tables = layouts.map((layout) => alignedTable(cellsOf(options, layout), options))
  const fitting = tables.find((lines) => lines.every(({ width }) => width <= options.columns))
  return fitting ?? (tables.at(-1) as readonly PictureLine[])
}

function cellsOf(options: TableOptions, layout: { durations: boolean; notes: boolean }): readonly (readonly Cell[])[] {
  const { taskNames, slots, occurrences, now } = options
  const heading = (text: string): Cell => [{ tone: 'heading', text }]
  const bySlot = new Map<number, Occurrence | null>(slots.map((slot) => [slot.getTime(), null]))
  for (const occurrence of occurrences) bySlot.set(occurrence.scheduledAt.getTime(), occurrence)
  const rows = [...bySlot]
    .sort(([a], [b]) => a - b)
    .map(([slotMs, occurrence]) => [
      [{ tone: 'plain', text: printSlot(new Date(slotMs)) } as const],
      occurrence === null ? absence(slotMs, now) : [stateOf(occurrence)],
      ...taskNames.map((name) => attemptsOf(occurrence?.tasks.find((task) => task.name === name), layout.durations)),
      ...(layout.durations ? [tookOf(occurrence)] : []),
      ...(layout.notes ? [notesOn(occurrence)] : []),
    ])
  const headings = ['slot', 'state', ...taskNames]
  if (layout.durations) headings.push('took')
  return [headings.map(heading), ...rows]
}

function absence(slotMs: number, now: Date): Cell {
  return slotMs > now.getTime() ? [{ tone: 'quiet', text: 'to come' }] : [{ tone: 'busy', text: 'due' }]
}

function stateOf({ state }: Occurrence): Segment {
  if (state === 'completed') return { tone: 'good', text: state }
  if (state === 'running') return { tone: 'busy', text: state }
  return { tone: state === 'pending' || state === 'queued' ? 'quiet' : 'bad', text: state }
}

function attemptsOf(task: TaskReport | undefined, durations: boolean): Cell {
  return (task?.attempts ?? []).flatMap((attempt, index) => {
    const segment = attemptOf(attempt, durations)
    return index === 0 ? [segment] : [{ tone: 'plain', text: durations ? ', ' : '' } as const, segment]
  })
}

function attemptOf({ state, durationMs }: AttemptReport, durations: boolean): Segment {
  if (state === 'succeeded') return { tone: 'good', text: durations ? `✓ ${printDuration(durationMs ?? 0)}` : '✓' }
  if (state === 'running' || state === 'waiting') return { tone: 'busy', text: durations ? `… ${state}` : '…' }
  return { tone: 'bad', text: durations ? `✗ ${state.replace('_', ' ')}` : '✗' }
}

/** From the first attempt's start to the last one's end, whatever happened between. */
function tookOf(occurrence: Occurrence | null): Cell {
  const attempts = occurrence?.tasks.flatMap((task) => task.attempts) ?? []
  const first = attempts[0]
  const end = occurrence?.finishedAt
  return first === undefined || end == null
    ? []
    : [{ tone: 'plain', text: printDuration(end.getTime() - first.startedAt.getTime()) }]
}

function notesOn(occurrence: Occurrence | null): Cell {
  if (occurrence === null) return []
  const notes: string[] = []
  if (occurrence.recovered) notes.push('missed, made up')
  if (occurrence.fencingToken > 1) notes.push('interrupted, taken up again')
  return [{ tone: 'quiet', text: notes.join(', ') }]
}

function alignedTable(rows: readonly (readonly Cell[])[], options: TableOptions): readonly PictureLine[] {
  const { columns, paint } = options
  const widths: number[] = []
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, widthOf(cell))
  }
  return rows.map((row) => {
    const segments = row.flatMap((cell, index): Cell => {
      const gap = ' '.repeat((widths[index] as number) - widthOf(cell) + 2)
      return [...cell, { tone: 'plain', text: gap }]
    })
    return lineOf([{ tone: 'plain', text: '  ' }, ...segments], columns, paint)
  })
}

/** One line of a picture, cut off where the terminal ends. */
export function lineOf(segments: Cell, columns: number, paint: Paint): PictureLine {
  const full = segments.map(({ text }) => text).join('').trimEnd().length
  const width = Math.min(full, columns)
  let left = width
  let text = ''
  for (const segment of segments) {
    text += paint(segment.tone, segment.text.slice(0, left))
    left -= Math.min(left, segment.text.length)
  }
  return { text, width: full }
}

function widthOf(cell: Cell): number {
  return cell.reduce((width, { text }) => width + text.length, 0)
}
