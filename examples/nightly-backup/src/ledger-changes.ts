import type { AttemptReport, Occurrence } from '@jobistemer/core'
import type { LedgerLook } from './ledger-watch.ts'
import type { NodeOf } from './nodes.ts'
import { printDuration, printSlot } from './style.ts'

/** Minimum duration in ms of an attempt whose start is reported. For shorter attempts only the end is reported. */
const worthTellingMs = 1000

/** Describes the changes between two reads of the ledger, one line for each change, ordered by slot. */
export function describeChanges(before: LedgerLook, now: LedgerLook, nodeOf: NodeOf): readonly string[] {
  const known = new Map(before.occurrences.map((occurrence) => [occurrence.id, occurrence]))
  return now.occurrences.flatMap((occurrence) =>
    changesOf(known.get(occurrence.id), occurrence, { lookedAt: before.at, looksAt: now.at, nodeOf }),
  )
}

/** `attempt 1`, `attempt 1 on B`. */
export function nameAttempt(number: number, node: string | null): string {
  return node === null ? `attempt ${number}` : `attempt ${number} on ${node}`
}

/** Describes the outcome of an attempt, such as `succeeded in 41 ms` or `failed: no space left on device`. */
export function describeAttempt({ state, durationMs, error }: AttemptReport): string {
  const detail = error === null ? '' : `: ${error.message}`
  const name = state.replace('_', ' ')
  return state === 'succeeded' && durationMs !== null ? `${name} in ${printDuration(durationMs)}` : `${name}${detail}`
}

function changesOf(
  before: Occurrence | undefined,
  now: Occurrence,
  { lookedAt, looksAt, nodeOf }: { readonly lookedAt: Date; readonly looksAt: Date; readonly nodeOf: NodeOf },
): string[] {
  const slot = printSlot(now.scheduledAt)
  const ended = now.finishedAt !== null
  const lines: string[] = []
  if (before?.state !== now.state && !ended) lines.push(`${slot}  ${now.state}${now.recovered ? ', missed' : ''}`)
  for (const { name, attempts } of now.tasks) {
    const attemptsBefore = before?.tasks.find((task) => task.name === name)?.attempts ?? []
    for (const [index, attempt] of attempts.entries()) {
      const changed = attemptsBefore[index]?.state !== attempt.state
      const told = attempt.endedAt === null ? isWorthTelling(attempt, lookedAt, looksAt) : changed
      const what = nameAttempt(attempt.number, nodeOf(now.id, name, attempt.number))
      if (told) lines.push(`${slot}  ${name.padEnd(8)}  ${what} ${describeAttempt(attempt)}`)
    }
  }
  if (before?.state !== now.state && ended) lines.push(`${slot}  ${now.state}`)
  return lines
}

/**
 * Returns whether an attempt reached the age of 1 s between the previous read of the ledger and this read. So the start of a
 * long attempt is reported once, and the start of a shorter attempt is not reported.
 */
function isWorthTelling({ startedAt }: AttemptReport, lookedAt: Date, looksAt: Date): boolean {
  const tellAt = startedAt.getTime() + worthTellingMs
  return lookedAt.getTime() < tellAt && tellAt <= looksAt.getTime()
}
