import type { OccurrenceRecord, TaskRunRecord } from '@jobistemer/core/storage'
import type { UserRow } from '../rows/user-rows.ts'
import { groupBy } from './group-by.ts'
import type { RunView } from './run-view.ts'
import type { Violation } from './violation.ts'

/**
 * Checks that the user's table has a row for a task exactly if the task has completed. One transaction writes the row and
 * completes the task.
 */
export function checkRows(view: RunView): readonly Violation[] {
  const { rows, ledger } = view.run
  if (rows === null) return []
  const violations: Violation[] = []
  const report = (occurrence: UserRow['occurrence'], message: string): void => {
    violations.push({ rule: 'rows', job: null, occurrence, message })
  }
  const moving = new Map(view.run.jobs.map(({ id, movingTasks }) => [id, movingTasks]))
  const byTask = groupBy(rows, ({ occurrence, task }) => `${occurrence} ${task}`)
  // From a handler's completion to its commit, no other node can become the owner. The handler reports its row between
  // the two. So a row is a violation if the handler's token had already been replaced at the time of this report.
  for (const line of view.run.witness) {
    if (line.event !== 'end' || line.outcome !== 'moved') continue
    const { occurrence, task, attempt, token } = line
    const replacedAt = view.replacedAt(line)
    const isThere =
      byTask.get(`${occurrence} ${task}`)?.some((row) => row.attempt === attempt && row.token === token) === true
    if (replacedAt === null || !isThere) continue
    const since = `under token ${token}, which had been dead for ${Math.round(line.mono - replacedAt)} ms`
    report(occurrence, `${task} has a row of attempt ${attempt}, written ${since}`)
  }
  for (const record of ledger.occurrences.values()) {
    for (const run of record.runs.filter(({ task }) => moving.get(record.jobId)?.includes(task))) {
      const key = `${record.id} ${run.task}`
      const problem = problemOf(record, run, byTask.get(key) ?? [])
      if (problem !== null) report(record.id, `${run.task} ${problem}`)
      byTask.delete(key)
    }
  }
  for (const [row] of byTask.values()) {
    if (row !== undefined) report(row.occurrence, `the ledger has no end of ${row.task}, but its row exists`)
  }
  return violations
}

function problemOf({ token }: OccurrenceRecord, run: TaskRunRecord, rows: readonly UserRow[]): string | null {
  if (run.state !== 'completed') {
    return rows.length === 0 ? null : `is ${run.state}, and has ${rows.length} rows: ${printAll(rows)}`
  }
  const [row] = rows
  if (row === undefined || rows.length > 1) return `is completed, and has ${rows.length} rows: ${printAll(rows)}`
  if (row.attempt !== run.result) return `is completed by attempt ${String(run.result)}, its row is of ${print(row)}`
  return row.token <= token ? null : `has a row under token ${row.token}, but the last token in the ledger is ${token}`
}

function printAll(rows: readonly UserRow[]): string {
  return rows.map(print).join(', ')
}

function print({ attempt, token }: UserRow): string {
  return `attempt ${attempt} under token ${token}`
}
