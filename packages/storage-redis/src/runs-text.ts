import type { JsonValue } from '@jobistemer/core'
import {
  type AttemptRecord,
  type AttemptState,
  parseStored,
  runsOfStored,
  type TaskRunRecord,
  type TaskRunState,
} from '@jobistemer/core/storage'

// Task runs are written twice for every occurrence and make up most of its size. The ordinary ones, whose attempts
// have no error and no reason, are stored as arrays with instants relative to the occurrence's own:
// `[["work",2,[1,5,17]]]` says that the task completed with one attempt that ran from 5 to 17 ms after the scheduled
// time. All others are stored as plain JSON. The first two characters tell which is which.

// The numbers are part of every user's data: new names go at the end. The form is like that of storage-sqlite, and not
// shared with it: each storage's stored form has to be able to change by itself.
const runStates: readonly TaskRunState[] = ['running', 'retrying', 'completed', 'failed', 'canceled']
const attemptStates: readonly AttemptState[] = [
  'running',
  'succeeded',
  'failed',
  'timed_out',
  'aborted',
  'lost',
  'waiting',
]

/** The task runs as text; empty when there are none. */
export function printRuns(runs: readonly TaskRunRecord[], scheduledAt: number): string {
  if (runs.length === 0) return ''
  let text = ''
  for (const run of runs) {
    const compact = printRun(run, scheduledAt)
    if (compact === null) return JSON.stringify(runs)
    text = text === '' ? compact : `${text},${compact}`
  }
  return `[${text}]`
}

/** The task runs that {@link printRuns} has written; `null` for a damaged text. */
export function parseRuns(text: string, scheduledAt: number): readonly TaskRunRecord[] | null {
  if (text === '') return []
  const stored = parseStored(text)
  if (!text.startsWith('[[') || stored === undefined) return runsOfStored(stored)
  const runs = stored as readonly CompactRun[]
  return runs.every(isCompactRun) ? runs.map((run) => expandRun(run, scheduledAt)) : null
}

function isCompactRun(run: CompactRun): boolean {
  return Array.isArray(run) && typeof run[0] === 'string' && Array.isArray(run[2])
}

type CompactRun = readonly [task: string, state: number, attempts: readonly (number | null)[], result?: JsonValue]

function printRun(run: TaskRunRecord, scheduledAt: number): string | null {
  const { result } = run
  if (run.reason !== undefined || countKeys(run) !== (result === undefined ? 3 : 4)) return null
  const state = runStates.indexOf(run.state)
  if (state < 0) return null
  let attempts = ''
  for (let index = 0; index < run.attempts.length; index++) {
    const attempt = run.attempts[index] as AttemptRecord
    const attemptState = attemptStates.indexOf(attempt.state)
    if (attempt.number !== index + 1 || attemptState < 0 || countKeys(attempt) !== 4) return null
    const { startedAt, endedAt } = attempt
    const end = endedAt === null ? 'null' : endedAt - scheduledAt
    attempts += `${index === 0 ? '' : ','}${attemptState},${startedAt - scheduledAt},${end}`
  }
  const tail = result === undefined ? '' : `,${JSON.stringify(result)}`
  return `[${printName(run.task)},${state},[${attempts}]${tail}]`
}

// A job's tasks have the same few names in all of its runs. Bounded, so that many names cost no memory of their own.
const printedNames = new Map<string, string>()
const printedNamesLimit = 1000

function printName(name: string): string {
  const known = printedNames.get(name)
  if (known !== undefined) return known
  const printed = JSON.stringify(name)
  if (printedNames.size >= printedNamesLimit) printedNames.clear()
  printedNames.set(name, printed)
  return printed
}

function countKeys(record: object): number {
  let count = 0
  for (const _key in record) count++
  return count
}

function expandRun([task, state, flat, ...rest]: CompactRun, scheduledAt: number): TaskRunRecord {
  const attempts: AttemptRecord[] = []
  for (let index = 0; index < flat.length; index += 3) {
    const endedAt = flat[index + 2] as number | null
    attempts.push({
      number: index / 3 + 1,
      state: attemptStates[flat[index] as number] as AttemptState,
      startedAt: (flat[index + 1] as number) + scheduledAt,
      endedAt: endedAt === null ? null : endedAt + scheduledAt,
    })
  }
  const run = { task, state: runStates[state] as TaskRunState, attempts }
  return rest.length === 0 ? run : { ...run, result: rest[0] as JsonValue }
}
