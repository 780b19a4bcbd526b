import { isWellFormed, readInteger } from './configuration/read-value.ts'
import { type InstantInput, toInstantText } from './instant.ts'
import { rememberedValues } from './tuning.ts'
import { invalidValue } from './errors.ts'
import { hash } from 'node:crypto'

/** The id of a job: `job_` and a UUIDv5. Made by {@link jobId}. */
export type JobId = `job_${string}`
/** The id of a task: `task_` and a UUIDv5. Made by {@link taskId}. */
export type TaskId = `task_${string}`
/** The id of an occurrence: `occ_` and a UUIDv5. Made by {@link occurrenceId} and {@link missedRangeId}. */
export type OccurrenceId = `occ_${string}`
/** The id of a task run: `run_` and a UUIDv5. Made by {@link taskRunId}. */
export type TaskRunId = `run_${string}`
/** The id of an attempt: `attempt_` and a UUIDv5. Made by {@link attemptId}. */
export type AttemptId = `attempt_${string}`

// Namespaces of UUIDv5. RFC 9562 defines all of them except `6ba7b813`, a number that the RFC leaves out. Never change these
// namespaces, because the ids in every user's database depend on them.
const uuid = {
  job: uuidV5In('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'job_'),
  task: uuidV5In('6ba7b811-9dad-11d1-80b4-00c04fd430c8', 'task_'),
  occurrence: uuidV5In('6ba7b812-9dad-11d1-80b4-00c04fd430c8', 'occ_'),
  run: uuidV5In('6ba7b813-9dad-11d1-80b4-00c04fd430c8', 'run_'),
  attempt: uuidV5In('6ba7b814-9dad-11d1-80b4-00c04fd430c8', 'attempt_'),
}

// Cache of job ids by name, for programs that trigger many runs of a few jobs. Its size is bounded, so that many names do not
// fill memory.
const jobIds = new Map<string, JobId>()

/**
 * Returns the id of the job with this name.
 *
 * @throws JobistemerError `INVALID_NAME`
 */
export function jobId(name: string): JobId {
  const known = jobIds.get(name)
  if (known !== undefined) return known
  const id: JobId = uuid.job(readText(name, 'name'))
  if (jobIds.size >= rememberedValues) jobIds.clear()
  jobIds.set(name, id)
  return id
}

/**
 * Returns the id of a job's task.
 *
 * @throws JobistemerError `INVALID_NAME`, `INVALID_ARGUMENT`
 */
export function taskId(job: JobId, taskName: string): TaskId {
  return uuid.task(`${idOf(job, 'job')}:${readText(taskName, 'taskName')}`)
}

/** @throws JobistemerError `INVALID_ARGUMENT` */
function idOf<Id extends string>(id: Id, field: string): Id {
  if (typeof id === 'string') return id
  throw invalidValue(
    field,
    'is not an id',
    id,
    'Give the id as a string, as jobId(), occurrenceId() or taskRunId() returns it.',
  )
}

/**
 * Returns the text. Throws for a text with a lone half of a surrogate pair: UTF-8 encodes all such halves alike, so
 * names that differ only in them would share an id.
 */
function readText(text: unknown, field: string): string {
  if (typeof text === 'string' && isWellFormed(text)) return text
  throw invalidValue(field, 'is not a text of well-formed Unicode', text, 'Give the name as a string.', 'INVALID_NAME')
}

/**
 * Returns the id of the job's occurrence at an instant. Every node derives the same id, so two nodes cannot create the
 * slot twice.
 *
 * @throws JobistemerError `INVALID_INSTANT`, `INVALID_ARGUMENT`
 */
export function occurrenceId(job: JobId, at: InstantInput): OccurrenceId {
  return uuid.occurrence(`${idOf(job, 'job')}:${toInstantText(at)}`)
}

/**
 * Returns the id of the `missed` record that covers several missed slots, the first of them at `from`. One of these slots may
 * have its own record, because it was canceled ahead. So the id of the range differs from the id of each slot.
 *
 * @throws JobistemerError `INVALID_INSTANT`, `INVALID_ARGUMENT`
 */
export function missedRangeId(job: JobId, from: InstantInput): OccurrenceId {
  return uuid.occurrence(`${idOf(job, 'job')}:missed:${toInstantText(from)}`)
}

/**
 * Returns the id of a trigger's occurrence. This id always differs from the id of a slot, so that a trigger never
 * replaces a slot.
 */
export function triggerOccurrenceId(job: JobId, key: string): OccurrenceId {
  return uuid.occurrence(`${job}:trigger:${key}`)
}

/** Returns the id of a replay. `number` counts the replays of an original from 1, including replays of its replays. */
export function replayOccurrenceId(original: OccurrenceId, number: number): OccurrenceId {
  return uuid.occurrence(`${original}:replay:${number}`)
}

/** Returns the id of a run of a backfill. `round` counts the runs of the slot in all backfills, from 1. */
export function backfillOccurrenceId(job: JobId, slot: InstantInput, round: number): OccurrenceId {
  return uuid.occurrence(`${job}:backfill:${toInstantText(slot)}:${round}`)
}

/**
 * Returns the id of a task run: of one task inside one occurrence.
 *
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
export function taskRunId(occurrence: OccurrenceId, task: TaskId): TaskRunId {
  return uuid.run(`${idOf(occurrence, 'occurrence')}:${idOf(task, 'task')}`)
}

/**
 * Returns the id of an attempt of a task run; `number` counts from 1.
 *
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
export function attemptId(run: TaskRunId, number: number): AttemptId {
  return uuid.attempt(`${idOf(run, 'run')}:${readInteger(number, 'number', 0, Number.MAX_SAFE_INTEGER)}`)
}

const buffer = Buffer.alloc(2048)
/**
 * Views of {@link buffer}: the view with index n has its first n bytes. Names have few different lengths, so most ids need no
 * new view.
 */
const views: Buffer[] = []

/** Makes a function that returns UUIDv5 ids of one namespace, each with `prefix` before it. */
export function uuidV5In<Prefix extends string = ''>(
  namespace: string,
  prefix: Prefix = '' as Prefix,
): (name: string) => `${Prefix}${string}` {
  const namespaceId = Buffer.from(namespace.replaceAll('-', ''), 'hex')
  const text = Buffer.alloc(prefix.length + 36)
  text.write(prefix, 'latin1')
  return (name) => {
    printUuid(text, prefix.length, digestOf(namespaceId, name))
    return text.toString('latin1') as `${Prefix}${string}`
  }
}

// Returns the UUIDv5 digest of RFC 9562, section 5.5. Every occurrence needs an id, so this function must be fast: with Node's
// one-shot `hash` an id takes 1.0 µs, and with the uuid package 6.4 µs. The tests compare the ids with those of the uuid
// package.
function digestOf(namespace: Buffer, name: string): string {
  // UTF-8 takes at most three bytes for a UTF-16 unit.
  const room = namespace.length + name.length * 3
  const target = room <= buffer.length ? buffer : Buffer.alloc(room)
  target.set(namespace)
  const length = namespace.length + target.write(name, namespace.length, 'utf8')
  return hash('sha1', target === buffer ? viewOf(length) : target.subarray(0, length), 'hex')
}

function viewOf(length: number): Buffer {
  if (length >= rememberedValues) return buffer.subarray(0, length)
  views[length] ??= buffer.subarray(0, length)
  return views[length]
}

/**
 * Writes the UUID into `text`, from the position `start` on. The caller then makes one flat string of all bytes of `text`. V8
 * would keep a string that is concatenated from parts as a tree of these parts.
 */
function printUuid(text: Buffer, start: number, digest: string): void {
  const hyphen = 0x2d
  let position = start
  for (let digit = 0; digit < 32; digit++) {
    if (digit === 8 || digit === 12 || digit === 16 || digit === 20) text[position++] = hyphen
    text[position++] = digest.charCodeAt(digit)
  }
  // 0x35 is the digit 5: the version of the UUID.
  text[start + 14] = 0x35
  text[start + 19] = ((Number.parseInt(digest.charAt(16), 16) & 3) | 8).toString(16).charCodeAt(0)
}
