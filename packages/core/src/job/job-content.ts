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
import { mostJsonBytes } from '../tuning.ts'

/** The origin of a definition. */
export type DefinitionOrigin = Pick<JobDocument, 'release' | 'updates' | 'reason' | 'actor'>

function refuseTooLarge({ name }: Job, definition: JsonObject): void {
  // Some storages limit a record to 400 kB. A definition within this limit fits all storages.
  const most = 2 * mostJsonBytes
  const bytes = Buffer.byteLength(JSON.stringify(definition))
  if (bytes <= most) return
  throw new JobistemerError('DATA_TOO_LARGE', {
    message: `The definition of job ${printValue(name)} has ${bytes} bytes of JSON, and ${most} are allowed.`,
    field: 'tasks',
    value: bytes,
    remedy: 'Give its tasks less data, or its schedule fewer members, and hand on where the rest is.',
  })
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
