import type { JobWrite, LedgerEntry, LiveCounts, OccurrenceRecord, Owner } from '@jobistemer/core/storage'
import { isFinal, lastSlotOf, namingKey } from '@jobistemer/core/storage'
import { uuidOf } from './ids.ts'
import { printStarts, type ReadJob } from './job-row.ts'
import { type WrittenOccurrence, writeOccurrence } from './occurrence-row.ts'
import { isTrue, plainArray, type Session, type SqlValue, textArray } from './sql.ts'
import { headParameters, ops, otherParameters, writtenColumns } from './step-functions.ts'
import { storeText } from './stored-text.ts'

const textColumns = new Set<string>(writtenColumns.filter(([, type]) => type === 'text').map(([name]) => name))

/** The call of `write_step`: every parameter is sent as a text, whatever the driver thinks of arrays. */
export function writeCall(schema: string): string {
  const types = [
    ...headParameters.map(([, type]) => type),
    ...writtenColumns.map(([, type]) => `${type}[]`),
    ...otherParameters.map(([, type]) => type),
  ]
  return `SELECT ${schema}.write_step(${types.map((type, index) => `$${index + 1}::text::${type}`).join(', ')}) AS is_written`
}

/** How a step writes. */
export interface WriteMode {
  /** Only if none of its jobs has changed since it was read; otherwise they are locked. */
  readonly guards: boolean
  /** Waits for occurrences that others hold, however long that takes; otherwise it fails with {@link isHeld}. */
  readonly waits: boolean
  /** How long a guarding step waits for jobs; `null` if it does not guard. */
  readonly lockLimit: string | null
}

/** Writes the occurrences and the course of jobs that are there. Answers whether it has written. */
export async function writeStep(
  session: Session,
  call: string,
  writes: readonly JobWrite[],
  mode: WriteMode,
): Promise<boolean> {
  const [row] = await session.query(call, valuesOf(writes, mode))
  return isTrue(row?.is_written)
}

type Column = readonly (string | number | null)[]

function valuesOf(writes: readonly JobWrite[], { guards, waits, lockLimit }: WriteMode): readonly SqlValue[] {
  const heads = writes.map(({ after }) => after.head)
  const counts = writes.map(({ after }) => after.counts)
  const rows = new OccurrenceRows()
  const sums = { pending: 0, queued: 0, running: 0 }
  for (const { before, after, occurrences } of writes) {
    addDifference(sums, before?.counts ?? null, after.counts)
    for (const change of occurrences) rows.add(change.before, change.after, writeOccurrence(change.after, after.head))
  }
  return [
    String(guards),
    String(waits),
    lockLimit,
    plainArray(heads.map(({ id }) => uuidOf(id))),
    plainArray(writes.map(({ before }) => (before as ReadJob | null)?.revision ?? 0)),
    plainArray(heads.map(({ watermark }) => watermark)),
    plainArray(writes.map(topOf)),
    plainArray(heads.map(({ nextAt }) => nextAt)),
    plainArray(heads.map(({ cancelsBelow }) => cancelsBelow)),
    textArray(heads.map(printStarts)),
    plainArray(counts.map(({ pending }) => pending)),
    plainArray(counts.map(({ delayed }) => delayed)),
    plainArray(counts.map(({ queued }) => queued)),
    plainArray(counts.map(({ running }) => running)),
    ...rows.values(),
    String(sums.pending),
    String(sums.queued),
    String(sums.running),
  ]
}

/** The last slot of which the job may have a record, as far as this write goes: some lie ahead of the watermark. */
function topOf({ after, occurrences }: JobWrite): number {
  let top = after.head.watermark
  for (const { before, after: record } of occurrences) {
    if (before === null && record.kind === 'slot') top = Math.max(top, lastSlotOf(record))
  }
  return top
}

function addDifference(sums: Record<keyof LiveCounts, number>, before: LiveCounts | null, after: LiveCounts): void {
  sums.pending += after.pending - (before?.pending ?? 0)
  sums.queued += after.queued - (before?.queued ?? 0)
  sums.running += after.running - (before?.running ?? 0)
}

/** The occurrences of a step, column by column. */
class OccurrenceRows {
  readonly #ops: number[] = []
  readonly #ids: string[] = []
  readonly #jobs: string[] = []
  readonly #written: WrittenOccurrence[] = []
  readonly #were: (number | null)[] = []
  readonly #keys: (string | null)[] = []
  readonly #owners: (number | null)[] = []
  readonly #nodes: string[] = []
  readonly #incarnations: string[] = []
  readonly #numbers: Map<string, number> = new Map()

  add(before: LedgerEntry | null, after: OccurrenceRecord, written: WrittenOccurrence): void {
    this.#ops.push(
      isFinal(after.state) ? (before === null ? ops.record : ops.end) : before === null ? ops.create : ops.change,
    )
    this.#ids.push(uuidOf(after.id))
    this.#jobs.push(uuidOf(after.jobId))
    this.#written.push(written)
    this.#were.push(before?.record.sequence ?? null)
    const keyId = namingKey(after)
    this.#keys.push(before !== null || keyId === undefined ? null : uuidOf(keyId))
    this.#owners.push(after.owner === null ? null : this.#numberOf(after.owner))
  }

  /** The index of an owner in this step's list of owners, from 1 on. Adds the owner if the list lacks it. */
  #numberOf({ node, incarnation }: Owner): number {
    const name = `${node.length} ${node}${incarnation}`
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    this.#nodes.push(storeText(node))
    this.#incarnations.push(storeText(incarnation))
    this.#numbers.set(name, this.#nodes.length)
    return this.#nodes.length
  }

  values(): readonly SqlValue[] {
    const columns = writtenColumns.map(([name]) => {
      const column = this.#columnOf(name)
      return textColumns.has(name) ? textArray(column as (string | null)[]) : plainArray(column)
    })
    return [
      plainArray(this.#ops),
      ...columns,
      plainArray(this.#owners),
      textArray(this.#nodes),
      textArray(this.#incarnations),
    ]
  }

  #columnOf(name: (typeof writtenColumns)[number][0]): Column {
    if (name === 'id') return this.#ids
    if (name === 'job') return this.#jobs
    if (name === 'was') return this.#were
    if (name === 'key_id') return this.#keys
    return this.#written.map((row) => row[name])
  }
}
