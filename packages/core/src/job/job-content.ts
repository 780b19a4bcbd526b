import type { JobOverrides, JobSettings } from '../configuration/settings.ts'
import { invalidValue, printValue } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import type { ScheduleSegment } from '../storage/job-record.ts'
import { overlapRuleOf } from '../storage/rules.ts'
import type { JobContent } from '../storage/storage.ts'
import type { Job } from './define-job.ts'
import { fingerprintOf } from './fingerprint.ts'
import { handlerKeyOf, type JobDocument, settingsOf, toJobDocument } from './job-document.ts'
import { refuseBoundsOf } from './overlap-bounds.ts'
import { mostJsonBytes } from '../tuning.ts'

/** The members of a stored definition that tell its origin: build, update, reason and actor. */
export type DefinitionOrigin = Pick<JobDocument, 'release' | 'updates' | 'reason' | 'actor'>

function refuseTooLarge({ name }: Job, definition: JsonObject): void {
  // Some storages limit a record to 400 kB. A definition of at most `most` bytes (262,144) leaves room for the rest of its
  // record.
  const most = 2 * mostJsonBytes
  const bytes = Buffer.byteLength(JSON.stringify(definition))
  if (bytes <= most) return
  const what = `of job ${printValue(name)} make a definition of more than ${most} bytes of JSON`
  const remedy = 'Give its tasks less data, or its schedule fewer members, and hand on where the rest is.'
  throw invalidValue('tasks', what, bytes, remedy, 'DATA_TOO_LARGE')
}

function refuseTooMany({ name }: Job, { overlapPolicy, maxQueued }: JobSettings, mostQueued: number): void {
  if (overlapPolicy !== 'queue' || maxQueued <= mostQueued) return
  const what = `of job ${printValue(name)} is more than its storage holds`
  throw invalidValue('maxQueued', what, maxQueued, `Give at most ${mostQueued}, or choose another storage.`)
}

/**
 * Cache of the digests of definitions with their defaults. A definition and its defaults never change, and each write of a job
 * needs the digest.
 */
const fingerprints = new WeakMap<JobOverrides, WeakMap<Job, string>>()

/** Returns the digest of a definition with its defaults. Equal definitions on different nodes have equal digests. */
export function fingerprintOfJob(job: Job, defaults: JobOverrides): string {
  const known = fingerprints.get(defaults) ?? new WeakMap<Job, string>()
  fingerprints.set(defaults, known)
  const fingerprint = known.get(job) ?? fingerprintOf([toJobDocument(job, defaults), job.schedule.toJSON(), job.owner])
  known.set(job, fingerprint)
  return fingerprint
}

/** Returns the content of a job to store: its definition, timeline and rules. */
export function contentOf(
  job: Job,
  options: {
    readonly defaults: JobOverrides
    /** Maximum number of queued occurrences of one job that the storage keeps. */
    readonly mostQueued: number
    readonly timeline: readonly ScheduleSegment[]
    readonly nextAt: number | null
    /** The fingerprint to store. Default: the fingerprint of the definition. */
    readonly fingerprint?: string
    /** The origin of the definition: build, update, reason and actor. */
    readonly origin: DefinitionOrigin
  },
): JobContent {
  const { defaults, timeline, nextAt } = options
  const document: JobDocument = {
    ...toJobDocument(job, defaults),
    ...(job.owner !== null && { owner: job.owner }),
    schedule: job.schedule.toJSON(),
    ...options.origin,
  }
  const definition = document as unknown as JsonObject
  const settings = settingsOf(document)
  const { overlapPolicy, maxQueued, maxConcurrency, startRate } = settings
  refuseBoundsOf(job.name, settings)
  refuseTooLarge(job, definition)
  refuseTooMany(job, settings, options.mostQueued)
  return {
    name: job.name,
    owner: job.owner,
    fingerprint: options.fingerprint ?? fingerprintOfJob(job, defaults),
    definition,
    handlerKey: handlerKeyOf(job),
    overlap: overlapRuleOf(overlapPolicy, maxQueued, maxConcurrency, startRate),
    timeline,
    nextAt,
  }
}
