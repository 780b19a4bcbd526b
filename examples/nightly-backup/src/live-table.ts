import type { AttemptReport, Occurrence } from '@jobistemer/core'
import type { NodeOf } from './nodes.ts'
import type { PictureLine } from './screen.ts'
import { type Paint, printDuration, printSlot, type Tone } from './style.ts'

interface Segment {
  readonly tone: Tone
  readonly text: string
}

type Cell = readonly Segment[]

export interface TableOptions {
  readonly taskNames: readonly string[]
  /** All slots of the demo, including those without an entry in the ledger. */
  readonly slots: readonly Date[]
  readonly occurrences: readonly Occurrence[]
  readonly nodeOf: NodeOf
  readonly now: Date
  /** Maximum width of a table line, in columns of the terminal. */
  readonly columns: number
  readonly paint: Paint
}

export interface Table {
  readonly lines: readonly PictureLine[]
  /** False if the table had no room for the outcome and duration of every attempt. */
  readonly complete: boolean
}

interface Layout {
  readonly durations: boolean
  /** Whether the table shows the duration of each occurrence. */
  readonly took: boolean
  readonly notes: boolean
  /** Number of letters of each task's name in the heading. */
  readonly letters: number
}

// Layouts of the table, from the most detailed to the narrowest. The first layout that fits is used.
const layouts: readonly Layout[] = [
  { durations: true, took: true, notes: true, letters: Number.POSITIVE_INFINITY },
  { durations: true, took: true, notes: false, letters: Number.POSITIVE_INFINITY },
  { durations: true, took: false, notes: false, letters: Number.POSITIVE_INFINITY },
  { durations: false, took: false, notes: false, letters: Number.POSITIVE_INFINITY },
  { durations: false, took: false, notes: false, letters: 3 },
]
const gap = 2

/** Formats the ledger as a table: a line for each slot, and a column for each task. */
export function tableOf(options: TableOptions): Table {
  const drafts = layouts.map((layout) => {
    const rows = cellsOf(options, layout)
    const widths = columnWidths(rows)
    return { layout, rows, widths, width: widths.reduce((sum, width) => sum + gap + width, 0) }
  })
  const draft = drafts.find(({ width }) => width <= options.columns) ?? (drafts.at(-1) as (typeof drafts)[number])
  const lines = draft.rows.map((row) => {
    const segments = row.flatMap((cell, index): Cell => {
      const padding = ' '.repeat((draft.widths[index] as number) - widthOf(cell))
      return [{ tone: 'plain', text: ' '.repeat(gap) }, ...cell, { tone: 'plain', text: padding }]
    })
    return lineOf(segments, options.columns, options.paint)
  })
  return { lines, complete: draft.layout.durations }
}

function cellsOf(options: TableOptions, layout: Layout): readonly (readonly Cell[])[] {
  const { taskNames, slots, occurrences, nodeOf, now } = options
  const heading = (text: string): Cell => [{ tone: 'heading', text }]
  const bySlot = new Map<number, Occurrence | null>(slots.map((slot) => [slot.getTime(), null]))
  for (const occurrence of occurrences) bySlot.set(occurrence.scheduledAt.getTime(), occurrence)
  const rows = [...bySlot]
    .sort(([a], [b]) => a - b)
    .map(([slotMs, occurrence]) => [
      [{ tone: 'plain', text: printSlot(new Date(slotMs)) } as const],
      occurrence === null ? absence(slotMs, now) : [stateOf(occurrence)],
      ...taskNames.map((name) => (occurrence === null ? [] : attemptsOf(occurrence, name, layout.durations, nodeOf))),
      ...(layout.took ? [tookOf(occurrence)] : []),
      ...(layout.notes ? [notesOn(occurrence)] : []),
    ])
  const headings = ['slot', 'state', ...taskNames.map((name) => name.slice(0, layout.letters))]
  if (layout.took) headings.push('took')
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

function attemptsOf({ id, tasks }: Occurrence, name: string, durations: boolean, nodeOf: NodeOf): Cell {
  const attempts = tasks.find((task) => task.name === name)?.attempts ?? []
  return attempts.flatMap((attempt, index) => {
    const { tone, text } = attemptOf(attempt, durations)
    const node = nodeOf(id, name, attempt.number)
    const segment = { tone, text: node === null ? text : `${text}${durations ? ' ' : ''}${node}` }
    return index === 0 ? [segment] : [{ tone: 'plain', text: durations ? ', ' : '' } as const, segment]
  })
}

function attemptOf({ state, durationMs }: AttemptReport, durations: boolean): Segment {
  if (state === 'succeeded') return { tone: 'good', text: durations ? `✓ ${printDuration(durationMs ?? 0)}` : '✓' }
  if (state === 'running' || state === 'waiting') return { tone: 'busy', text: durations ? `… ${state}` : '…' }
  return { tone: 'bad', text: durations ? `✗ ${state.replace('_', ' ')}` : '✗' }
}

/** Returns the time from the start of an occurrence's first attempt to the end of its last attempt. */
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

function columnWidths(rows: readonly (readonly Cell[])[]): readonly number[] {
  const widths: number[] = []
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, widthOf(cell))
  }
  return widths
}

/** Formats one line of the live table, cut off at the width of the terminal. */
export function lineOf(segments: Cell, columns: number, paint: Paint): PictureLine {
  const width = Math.min(
    segments
      .map(({ text }) => text)
      .join('')
      .trimEnd().length,
    columns,
  )
  let left = width
  let text = ''
  for (const segment of segments) {
    text += paint(segment.tone, segment.text.slice(0, left))
    left -= Math.min(left, segment.text.length)
  }
  return { text, width }
}

function widthOf(cell: Cell): number {
  return cell.reduce((width, { text }) => width + text.length, 0)
}
