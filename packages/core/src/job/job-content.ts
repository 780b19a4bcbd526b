import { resolveScheduledSettings } from '../configuration/resolve-settings.ts'
import type { JobOverrides, JobSettings } from '../configuration/settings.ts'
import { JobistemerError, printValue } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import { isNoSchedule } from '../schedule/no-schedule.ts'
import type { OverlapRule, ScheduleSegment } from '../storage/job-record.ts'
import { overlapRuleOf } from '../storage/rules.ts'
import type { JobContent } from '../storage/storage.ts'
import type { Job } from './define-job.ts'
import { fingerprintOf } from './fingerprint.ts'
import { handlerKeyOf, type JobDocument, toJobDocument } from './job-document.ts'
import { refuseBoundsOf } from './overlap-bounds.ts'
import { mostDefinitionBytes } from '../tuning.ts'

/** The origin of a definition. */
export type DefinitionOrigin = Pick<JobDocument, 'release' | 'updates' | 'reason' | 'actor'>

function refuseTooLarge({ name, tasks }: Job, definition: JsonObject): void {
  // Nearly all definitions are far below the limit: a name and a few settings need no count, and a little data a rough
  // one.
  const few = mostDefinitionBytes / 4
  const unbounded = [definition.schedule, ...tasks.map((task) => task.data)]
  if (tasks.length < 100 && mostBytesOf(unbounded, few) <= few) return
  const bytes = Buffer.byteLength(JSON.stringify(definition))
  if (bytes <= mostDefinitionBytes) return
  throw new JobistemerError('DATA_TOO_LARGE', {
    message: `The definition of job ${printValue(name)} has ${bytes} bytes of JSON, and ${mostDefinitionBytes} are allowed.`,
    field: 'tasks',
    value: bytes,
    remedy: 'Give its tasks less data, or its schedule fewer members, and hand on where the rest is.',
  })
}

/** An upper bound of the bytes of the JSON; it stops counting beyond `enough`. */
function mostBytesOf(data: unknown, enough: number): number {
  // A UTF-16 unit takes six bytes at most, as an escape.
  if (typeof data === 'string') return 6 * data.length + 2
  // No number takes more than 24.
  if (typeof data !== 'object' || data === null) return 24
  let bytes = 2
  for (const name of Object.keys(data)) {
    if (bytes > enough) break
    const member = (data as Readonly<Record<string, unknown>>)[name]
    bytes += 6 * name.length + 4 + mostBytesOf(member, enough - bytes)
  }
  return bytes
}

function refuseTooMany({ name }: Job, { overlapPolicy, maxQueued }: JobSettings, mostQueued: number): void {
  if (overlapPolicy !== 'queue' || maxQueued <= mostQueued) return
  throw new JobistemerError('INVALID_ARGUMENT', {
    message: `maxQueued of job ${printValue(name)} is more than its storage holds: ${maxQueued}.`,
    field: 'maxQueued',
    value: maxQueued,
    remedy: `Give at most ${mostQueued}, or choose another storage.`,
  })
}

/** The rule that the storage applies. @throws JobistemerError `INVALID_ARGUMENT` */
function overlapOf({ name }: Job, settings: JobSettings): OverlapRule {
  const { overlapPolicy: policy, maxQueued, maxConcurrency, startRate } = settings
  refuseBoundsOf(name, settings)
  return overlapRuleOf(policy, maxQueued, maxConcurrency, startRate)
}

/** Cached by defaults and definition, which never change: each step on the way into the storage needs the digest. */
const fingerprints = new WeakMap<JobOverrides, WeakMap<Job, string>>()

/**
 * Digest of a definition. Equal definitions on different nodes have equal fingerprints, whatever the order of their
 * members.
 */
export function fingerprintOfJob(job: Job, defaults: JobOverrides): string {
  const known = fingerprints.get(defaults) ?? new WeakMap<Job, string>()
  fingerprints.set(defaults, known)
  const fingerprint = known.get(job) ?? fingerprintOf([toJobDocument(job, defaults), job.schedule.toJSON(), job.owner])
  known.set(job, fingerprint)
  return fingerprint
}

/** The stored form of a definition. */
export function contentOf(
  job: Job,
  options: {
    readonly defaults: JobOverrides
    /** Maximum number of queued occurrences of one job in the storage. */
    readonly mostQueued: number
    readonly timeline: readonly ScheduleSegment[]
    readonly nextAt: number | null
    /** Default: that of the definition. */
    readonly fingerprint?: string
    /** The origin to store with the definition. */
    readonly origin: DefinitionOrigin
  },
): JobContent {
  const { defaults, timeline, nextAt } = options
  const schedule = job.schedule.toJSON()
  const settings = resolveScheduledSettings({ isOnRequest: isNoSchedule(schedule) }, defaults, job.overrides)
  const document: JobDocument = {
    ...toJobDocument(job, defaults),
    ...(job.owner !== null && { owner: job.owner }),
    schedule,
    ...options.origin,
  }
  const definition = document as unknown as JsonObject
  refuseTooLarge(job, definition)
  refuseTooMany(job, settings, options.mostQueued)
  return {
    name: job.name,
    owner: job.owner,
    fingerprint: options.fingerprint ?? fingerprintOfJob(job, defaults),
    definition,
    handlerKey: handlerKeyOf(job),
    overlap: overlapOf(job, settings),
    timeline,
    nextAt,
  }
}
