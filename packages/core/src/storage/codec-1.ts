import type { JobId, OccurrenceId } from '../ids.ts'
import type { JsonValue } from '../json.ts'
import type { OverlapPolicy } from './job-record.ts'
import {
  type AttemptRecord,
  type AttemptState,
  attemptStates,
  finalStates,
  liveStates,
  type OccurrenceDetails,
  type OccurrenceKind,
  occurrenceKinds,
  type OccurrenceState,
  type TaskRunRecord,
  type TaskRunState,
} from './occurrence-record.ts'
import { parseStored, runsOfStored } from './unreadable.ts'

// Version 1 of the stored form that adapters share. Databases of users hold indexes into the lists below, and into `liveStates`,
// `finalStates`, `occurrenceKinds` and `attemptStates`. So only append names to the lists, and none to `liveStates`. Any other change
// of the form needs another codec, which each adapter adopts with a migration.

const states: readonly OccurrenceState[] = [...liveStates, ...finalStates]
const policies: readonly OverlapPolicy[] = ['skip', 'queue', 'queue_one', 'allow', 'cancel_running']
const runStates: readonly TaskRunState[] = ['running', 'retrying', 'completed', 'failed', 'canceled']

/** The number that stands for each occurrence state in stored records. */
export const stateCodes: Readonly<Record<OccurrenceState, number>> = codesOf(states)
/** The number that stands for each overlap policy in stored records. */
export const policyCodes: Readonly<Record<OverlapPolicy, number>> = codesOf(policies)
/** The number that stands for each kind of occurrence in stored records, without {@link recoveredBit}. */
export const kindCodes: Readonly<Record<OccurrenceKind, number>> = codesOf(occurrenceKinds)
/** Added to the code of the kind if the recovery of missed slots created the occurrence. */
export const recoveredBit = 4

function codesOf<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name, code) => [name, code])) as Record<Name, number>
}

/** Decodes a state; the inverse of {@link stateCodes}. */
export function stateOf(code: number): OccurrenceState {
  return states[code] as OccurrenceState
}

/** Decodes an overlap policy; the inverse of {@link policyCodes}. */
export function policyOf(code: number): OverlapPolicy {
  return policies[code] as OverlapPolicy
}

/** Encodes the kind of an occurrence, with {@link recoveredBit} if recovery created the occurrence. */
export function kindCode(kind: OccurrenceKind, recovered: boolean): number {
  return recovered ? kindCodes[kind] + recoveredBit : kindCodes[kind]
}

/** Decodes the kind of an occurrence from a code of {@link kindCode}. */
export function kindOf(code: number): OccurrenceKind {
  return occurrenceKinds[code % recoveredBit] as OccurrenceKind
}

/** Returns whether a code of {@link kindCode} belongs to an occurrence that recovery created. */
export function isRecovered(code: number): boolean {
  return code >= recoveredBit
}

const nil = '00000000-0000-0000-0000-000000000000'
const prefixLength = 'job_'.length
const idLength = prefixLength + nil.length
const dash = '-'.charCodeAt(0)
const underscore = '_'.charCodeAt(0)
const notADigit = 0xf0
/** The value of each hexadecimal digit by its character code. All other characters have the value {@link notADigit}. */
const digitValues = new Uint8Array(65_536).fill(notADigit)
for (let value = 0; value < 16; value++) digitValues[value.toString(16).charCodeAt(0)] = value

/** Returns whether a dash precedes the byte with this index in the text of a UUID. */
function isBehindDash(index: number): boolean {
  return index === 4 || index === 6 || index === 8 || index === 10
}

/**
 * Writes the 16 bytes of an id at an offset. Two ids of one kind have the same order as bytes and as texts. If the id lacks the
 * form that `jobId` and `occurrenceId` return, returns false; the written bytes are then arbitrary.
 */
export function writeId(bytes: Uint8Array, offset: number, id: JobId | OccurrenceId): boolean {
  let position = prefixLength
  let seen = 0
  let isFramed = id.length === idLength && id.charCodeAt(prefixLength - 1) === underscore
  for (let index = 0; index < 16; index++) {
    if (isBehindDash(index)) isFramed = id.charCodeAt(position++) === dash && isFramed
    // Beyond the end of the text, `charCodeAt` returns NaN, for which `digitValues` has no entry.
    const high = digitValues[id.charCodeAt(position++)] ?? notADigit
    const low = digitValues[id.charCodeAt(position++)] ?? notADigit
    seen |= high | low
    bytes[offset + index] = (high << 4) | low
  }
  return isFramed && (seen & notADigit) === 0 && (id.startsWith('occ_') || id.startsWith('job_'))
}

const jobIdText = Buffer.from(`job_${nil}`)
const occurrenceIdText = Buffer.from(`occ_${nil}`)
const digits = Buffer.from('0123456789abcdef')

/** Reads the id of a job from 16 bytes at an offset. */
export function readJobId(bytes: Uint8Array, offset: number): JobId {
  return readId(jobIdText, bytes, offset) as JobId
}

/** Reads the id of an occurrence from 16 bytes at an offset. */
export function readOccurrenceId(bytes: Uint8Array, offset: number): OccurrenceId {
  return readId(occurrenceIdText, bytes, offset) as OccurrenceId
}

/**
 * Writes the text of the id digit by digit into one buffer. A concatenated text would be slower. When such a text first becomes
 * the key of a map, V8 must copy its parts into one text.
 */
function readId(text: Buffer, bytes: Uint8Array, offset: number): string {
  let position = prefixLength
  for (let index = 0; index < 16; index++) {
    if (isBehindDash(index)) position++
    const byte = bytes[offset + index] as number
    text[position++] = digits[byte >> 4] as number
    text[position++] = digits[byte & 15] as number
  }
  return text.toString('latin1')
}

/** Encodes the details of an occurrence as JSON. Returns `null` if there are no details, as for most slots. */
export function printDetails(details: OccurrenceDetails): string | null {
  for (const _key in details) return JSON.stringify(details)
  return null
}

// Task runs are written twice for every occurrence and make up most of its size. So runs without rare members, such as an error
// or a reason, are stored as arrays. The instants in these arrays are relative to the scheduled time. An example is
// `[["work",2,[1,5,17]]]`: a completed task with one attempt, from 5 to 17 ms after the scheduled time. If one run of an
// occurrence does not fit this form, all its runs are plain JSON. The first two characters of the text distinguish the forms.
type CompactRun = readonly [task: string, state: number, attempts: readonly (number | null)[], result?: JsonValue]

/** Encodes the task runs of an occurrence as text. Returns `null` for no runs. */
export function printRuns(runs: readonly TaskRunRecord[], scheduledAt: number): string | null {
  if (runs.length === 0) return null
  let text = ''
  for (const run of runs) {
    const compact = printRun(run, scheduledAt)
    if (compact === null) return JSON.stringify(runs)
    text = text === '' ? compact : `${text},${compact}`
  }
  return `[${text}]`
}

/** Decodes task runs from a text of {@link printRuns}. Returns `null` for a damaged text. */
export function parseRuns(text: string | null, scheduledAt: number): readonly TaskRunRecord[] | null {
  if (text === null || text === '') return []
  const stored = parseStored(text)
  if (!text.startsWith('[[') || stored === undefined) return runsOfStored(stored)
  const runs = stored as readonly CompactRun[]
  const areCompact = runs.every((run) => Array.isArray(run) && typeof run[0] === 'string' && Array.isArray(run[2]))
  return areCompact ? runs.map((run) => expandRun(run, scheduledAt)) : null
}

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
  return `[${JSON.stringify(run.task)},${state},[${attempts}]${tail}]`
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
