import { existsSync, readdirSync, statSync } from 'node:fs'
import type { Occurrence } from '@jobistemer/core'
import type { VerifiedBackup } from './backup-tasks.ts'
import type { DemoFolder } from './demo-folder.ts'
import { type CheckInput, type CheckResult, checkLedger } from './ledger-check.ts'
import { describeAttempt, nameAttempt } from './ledger-changes.ts'
import { type TableOptions, tableOf } from './live-table.ts'
import { nodeLines } from './nodes.ts'
import { type Paint, printBytes, printSlot } from './style.ts'

const mostTables = 8
const mostProblems = 10

/** Returns the lines of the final report, and whether every check passed. */
export function reportLines(
  run: CheckInput & Omit<TableOptions, 'now'> & { readonly folder: DemoFolder; readonly keep: number },
): { readonly lines: readonly string[]; readonly good: boolean } {
  const { occurrences, witness, kill, folder, keep, paint } = run
  const backup = lastBackup(occurrences)
  const results = [...checkLedger(run), ...checkFiles(folder, backup, keep)]
  if (kill === null) results.push({ claim: 'a node was killed', problems: ['nothing could be interrupted'] })
  const lines = [
    `${paint('heading', 'The ledger')} (times in UTC)`,
    ...ledgerLines(run),
    '',
    `${paint('heading', 'The nodes')} (as the tasks wrote to witness.jsonl)`,
    ...nodeLines(witness, occurrences),
    '',
    `${paint('heading', 'The checks')} (against the schedule, and what the tasks wrote to witness.jsonl)`,
    ...checkLines(results, paint),
    '',
  ]
  if (backup !== null) lines.push(paint('heading', 'The last verified backup'), ...backupLines(backup), '')
  return { lines, good: results.every(({ problems }) => problems.length === 0) }
}

/** Returns the ledger as a table if the table fits the screen; otherwise, as one line for each attempt. */
function ledgerLines(options: Omit<TableOptions, 'now'>): readonly string[] {
  const { lines, complete } = tableOf({ ...options, now: new Date() })
  if (complete) return lines.map(({ text }) => text)
  return options.occurrences.flatMap(({ id, scheduledAt, state, tasks }) => [
    `  ${printSlot(scheduledAt)}  ${state}`,
    ...tasks.flatMap(({ name, attempts }) =>
      attempts.map((attempt) => {
        const what = nameAttempt(attempt.number, options.nodeOf(id, name, attempt.number))
        return `    ${name}, ${what} ${describeAttempt(attempt)}`
      }),
    ),
  ])
}

function checkLines(results: readonly CheckResult[], paint: Paint): readonly string[] {
  return results.flatMap(({ claim, problems }) =>
    problems.length === 0
      ? [`  ${paint('good', '✓')} ${claim}`]
      : [`  ${paint('bad', '✗')} ${claim}`, ...firstOf(problems).map((problem) => `      ${problem}`)],
  )
}

/** Returns the backup of the latest completed occurrence; `null` if no occurrence is completed. */
export function lastBackup(occurrences: readonly Occurrence[]): VerifiedBackup | null {
  const completed = occurrences.filter(({ state }) => state === 'completed').at(-1)
  const result = completed?.tasks.find(({ name }) => name === 'rotate')?.result
  return result === undefined ? null : (result as unknown as VerifiedBackup)
}

function backupLines({ file, bytes, contents }: VerifiedBackup): readonly string[] {
  const tables = contents.tables.slice(0, mostTables).map(({ name, rows }) => `${name} ${rows}`)
  const more = contents.tables.length - mostTables
  return [
    `  ${file} (${printBytes(bytes)})`,
    `  rows      ${tables.join(', ')}${more > 0 ? ` and ${more} more tables` : ''}`,
    `  checksum  ${contents.checksum}`,
    `  restore   gunzip -c ${file} > restored.db`,
  ]
}

/** Checks that the newest backup exists, that at most `keep` backups exist, and that no unfinished file is left. */
function checkFiles(folder: DemoFolder, backup: VerifiedBackup | null, keep: number): readonly CheckResult[] {
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
