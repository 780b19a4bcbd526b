import type { JobWrite, LedgerHead, LiveCounts, OccurrenceWrite, Owner } from '@jobistemer/core/storage'
import { isFinal, lastSlotOf, namingKey } from '@jobistemer/core/storage'
import { uuidOf } from './ids.ts'
import { printStarts, type ReadJob } from './job-row.ts'
import { writeOccurrence } from './occurrence-row.ts'
import { arrayOf, isTrue, plainArray, type Session, type SqlValue, storeText, textArray } from './sql.ts'
import { headParameters, ops, otherParameters, writtenColumns } from './step-functions.ts'

/** Returns SQL that calls `write_step`. Each parameter is sent as text, because drivers encode arrays differently. */
export function writeCall(schema: string): string {
  const types = [
    ...headParameters.map(([, type]) => type),
    ...writtenColumns.map(([, type]) => `${type}[]`),
    ...otherParameters.map(([, type]) => type),
  ]
  return `SELECT ${schema}.write_step(${types.map((type, index) => `$${index + 1}::text::${type}`).join(', ')}) AS is_written`
}

/** How `writeStep` makes sure that no job has changed since the read, and how it waits for locks. */
export interface WriteMode {
  /**
   * `true`: the write takes place only if none of the jobs has changed since the step's read. `false`: the step has locked the
   * jobs before its read, so no job can have changed.
   */
  readonly guards: boolean
  /**
   * `true`: the write waits without a limit for occurrences that other transactions hold. `false`: if another transaction holds
   * an occurrence, the call fails with an error for which {@link isHeld} returns true.
   */
  readonly waits: boolean
  /** How long the write waits for each lock of a job, as text; `null` if the step has locked its jobs before. */
  readonly lockLimit: string | null
}

/** Writes the occurrences and heads that a step changes. Returns whether the write took place. */
export async function writeStep(
  session: Session,
  call: string,
  writes: readonly JobWrite[],
  mode: WriteMode,
): Promise<boolean> {
  const [row] = await session.query(call, valuesOf(writes, mode))
  return isTrue(row?.is_written)
}

function valuesOf(writes: readonly JobWrite[], { guards, waits, lockLimit }: WriteMode): readonly SqlValue[] {
  const heads = writes.map(({ after }) => after.head)
  const counts = writes.map(({ after }) => after.counts)
  /**
   * The distinct owners of the written occurrences. An occurrence refers to its owner by the owner's position in this
   * list, from 1 on.
   */
  const owners: Owner[] = []
  const rows = writes.flatMap(({ occurrences, after }) =>
    occurrences.map((change) => rowOf(change, after.head, owners)),
  )
  const added = (count: keyof LiveCounts) =>
    writes.reduce((sum, { before, after }) => sum + after.counts[count] - (before?.counts[count] ?? 0), 0)
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
    plainArray(rows.map(({ op }) => op)),
    ...writtenColumns.map(([name, type]) => {
      return arrayOf(
        type,
        rows.map((row) => row[name]),
      )
    }),
    plainArray(rows.map(({ owner }) => owner)),
    textArray(owners.map(({ node }) => storeText(node))),
    textArray(owners.map(({ incarnation }) => storeText(incarnation))),
    String(added('pending')),
    String(added('queued')),
    String(added('running')),
  ]
}

/** Returns the column values of a written occurrence. Adds its owner to `owners` if the list does not contain this owner. */
function rowOf({ before, after }: OccurrenceWrite, head: LedgerHead, owners: Owner[]) {
  const isOver = isFinal(after.state)
  const keyId = before === null ? namingKey(after) : undefined
  return {
    ...writeOccurrence(after, head),
    op: before === null ? (isOver ? ops.record : ops.create) : isOver ? ops.end : ops.change,
    id: uuidOf(after.id),
    job: uuidOf(after.jobId),
    was: before?.record.sequence ?? null,
    key_id: keyId === undefined ? null : uuidOf(keyId),
    owner: after.owner === null ? null : placeOf(after.owner, owners),
  }
}

function placeOf({ node, incarnation }: Owner, owners: Owner[]): number {
  const index = owners.findIndex((owner) => owner.node === node && owner.incarnation === incarnation)
  return index < 0 ? owners.push({ node, incarnation }) : index + 1
}

/**
 * Returns the latest slot of the job for which a record may exist after this write. This is the watermark, or a later slot for
 * which the step creates a record.
 */
function topOf({ after, occurrences }: JobWrite): number {
  let top = after.head.watermark
  for (const { before, after: record } of occurrences) {
    if (before === null && record.kind === 'slot') top = Math.max(top, lastSlotOf(record))
  }
  return top
}
