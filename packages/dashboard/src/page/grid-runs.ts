import type { GridPage } from '../wire.ts'
import { pathOf, read } from './request.ts'
import type { Reading } from './resource.ts'

/** A cell of the grid: one task of one run. */
export interface GridCell {
  readonly state: string
  readonly attempts: number
  readonly durationMs: number | null
}

/** A column of the grid: one run. */
export interface GridColumn {
  readonly id: string
  readonly state: string
  readonly at: string
  readonly tookMs: number | null
  readonly tasks: ReadonlyMap<string, GridCell>
}

/** The runs of a grid that the page has read so far. */
export interface GridRuns {
  /** The runs of the grid, newest first. */
  readonly columns: readonly GridColumn[]
  /** The cursor of older runs. `null` if there are none, or if the grid has its maximum number of runs. */
  readonly cursor: string | null
}

interface Wanted {
  readonly job: string
  /** Maximum number of runs that the grid reads. */
  readonly count: number
  /** Number of runs in one request. */
  readonly perPage: number
}

const liveStates: ReadonlySet<string> = new Set(['pending', 'queued', 'running'])

/**
 * Reads the runs of a grid in parts, and shows each part. `before` has the runs of an earlier call; `null` without an earlier
 * call. With `before`, the function reads runs again only down to the oldest live run in `before`. Older runs have ended, so
 * they do not change.
 */
export async function readGrid(wanted: Wanted, { signal, before, show }: Reading<GridRuns>): Promise<GridRuns> {
  const newest = before === null ? [] : await readChanged(wanted, before, signal)
  let runs = before === null ? { columns: newest, cursor: '' } : joined(newest, before, wanted.count)
  while (runs.cursor !== null && runs.columns.length < wanted.count) {
    const { columns, cursor } = await readPage(wanted, wanted.count - runs.columns.length, runs.cursor, signal)
    runs = { columns: [...runs.columns, ...columns], cursor }
    show(runs)
  }
  return { ...runs, cursor: null }
}

async function readChanged(
  wanted: Wanted,
  { columns: old }: GridRuns,
  signal: AbortSignal,
): Promise<readonly GridColumn[]> {
  const places = new Map(old.map(({ id }, index) => [id, index]))
  const lastLive = old.findLastIndex(({ state }) => liveStates.has(state))
  const found: GridColumn[] = []
  let cursor: string | null = ''
  while (cursor !== null && found.length < wanted.count) {
    const page: GridRuns = await readPage(wanted, wanted.count - found.length, cursor, signal)
    for (const column of page.columns) found.push(unchanged(old[places.get(column.id) ?? -1], column))
    cursor = page.cursor
    const reached = places.get(found.at(-1)?.id ?? '')
    if (reached !== undefined && reached >= lastLive) return found
  }
  return found
}

/** Joins the newly read runs with the older runs that the page already has. */
function joined(newest: readonly GridColumn[], before: GridRuns, count: number): GridRuns {
  const last = newest.at(-1)?.id
  const rest = before.columns.findIndex(({ id }) => id === last)
  if (rest === -1) return { columns: newest, cursor: null }
  return { ...before, columns: [...newest, ...before.columns.slice(rest + 1)].slice(0, count) }
}

async function readPage(
  { job, perPage }: Wanted,
  most: number,
  cursor: string,
  signal: AbortSignal,
): Promise<GridRuns> {
  const page = await read<GridPage>(pathOf('/api/grid', { job, limit: Math.min(perPage, most), cursor }), signal)
  const columns = page.runs.map(({ tasks, ...run }) => ({
    ...run,
    tasks: new Map(
      tasks.map(([name, state, attempts, durationMs]) => [page.names[name] as string, { state, attempts, durationMs }]),
    ),
  }))
  return { columns, cursor: page.cursor }
}

/** Returns the previous column if it equals the new one, so that the page does not draw it again. */
function unchanged(before: GridColumn | undefined, now: GridColumn): GridColumn {
  return before !== undefined && textOf(before) === textOf(now) ? before : now
}

function textOf({ tasks, ...run }: GridColumn): string {
  return JSON.stringify([run, [...tasks]])
}
