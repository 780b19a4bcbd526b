import { existsSync, readdirSync, statSync } from 'node:fs'
import type { Occurrence } from '@jobistemer/core'
import type { VerifiedBackup } from './backup-tasks.ts'
import type { DemoFolder } from './demo-folder.ts'
import type { CheckResult } from './ledger-check.ts'
import { describeAttempt } from './ledger-changes.ts'
import { type TableOptions, tableOf } from './live-table.ts'
import { type Paint, printBytes, printSlot } from './style.ts'

const mostTables = 8
const mostProblems = 10

/** The ledger: as the table where it fits with all durations, otherwise with a line for each attempt. */
export function ledgerLines(options: Omit<TableOptions, 'now'>): readonly string[] {
  const { lines, complete } = tableOf({ ...options, now: new Date() })
  if (complete) return lines.map(({ text }) => text)
  return options.occurrences.flatMap(({ scheduledAt, state, tasks }) => [
    `  ${printSlot(scheduledAt)}  ${state}`,
    ...tasks.flatMap(({ name, attempts }) =>
      attempts.map((attempt) => `    ${name}, attempt ${attempt.number} ${describeAttempt(attempt)}`),
    ),
  ])
}

export function checkLines(results: readonly CheckResult[], paint: Paint): readonly string[] {
  return results.flatMap(({ claim, problems }) =>
    problems.length === 0
      ? [`  ${paint('good', '✓')} ${claim}`]
      : [`  ${paint('bad', '✗')} ${claim}`, ...firstOf(problems).map((problem) => `      ${problem}`)],
  )
}

/** The backup that the latest completed occurrence has made. */
export function lastBackup(occurrences: readonly Occurrence[]): VerifiedBackup | null {
  const completed = occurrences.filter(({ state }) => state === 'completed').at(-1)
  const result = completed?.tasks.find(({ name }) => name === 'rotate')?.result
  return result === undefined ? null : (result as unknown as VerifiedBackup)
}

export function backupLines({ file, bytes, contents }: VerifiedBackup): readonly string[] {
  const tables = contents.tables.slice(0, mostTables).map(({ name, rows }) => `${name} ${rows}`)
  const more = contents.tables.length - mostTables
  return [
    `  ${file} (${printBytes(bytes)})`,
    `  rows      ${tables.join(', ')}${more > 0 ? ` and ${more} more tables` : ''}`,
    `  checksum  ${contents.checksum}`,
    `  restore   gunzip -c ${file} > restored.db`,
  ]
}

/** What can be seen in the folder. */
export function checkFiles(folder: DemoFolder, backup: VerifiedBackup | null, keep: number): readonly CheckResult[] {
  const missing: string[] = []
  if (backup === null) missing.push('no occurrence has completed')
  else if (!existsSync(backup.file)) missing.push(`${backup.file} is missing`)
  else if (statSync(backup.file).size !== backup.bytes) missing.push(`${backup.file} has another size than recorded`)
  const kept = readdirSync(folder.backups).length
  if (kept > keep) missing.push(`${kept} backups are kept instead of ${keep}`)
  const unfinished = readdirSync(folder.work).map((name) => `${name} is still there`)
  return [
    { claim: `the newest backup is in its place, and no more than ${keep} are kept`, problems: missing },
    { claim: 'no unfinished file is left behind', problems: unfinished },
  ]
}

function firstOf(problems: readonly string[]): readonly string[] {
  const more = problems.length - mostProblems
  return more > 0 ? [...problems.slice(0, mostProblems), `and ${more} more`] : problems
}
