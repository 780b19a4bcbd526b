import { resolveJobSettings } from '../configuration/resolve-settings.ts'
import type { JobOverrides } from '../configuration/settings.ts'
import type { JsonObject } from '../json.ts'
import type { ScheduleSegment } from '../storage/job-record.ts'
import type { JobContent } from '../storage/storage.ts'
import type { Job } from './define-job.ts'
import { fingerprintOf } from './fingerprint.ts'
import { handlerKeyOf, toJobDocument } from './job-document.ts'

/** Digest of a definition. Equal ones on different nodes have equal fingerprints, whatever their order of members. */
export function fingerprintOfJob(job: Job, defaults: JobOverrides): string {
  return fingerprintOf([toJobDocument(job, defaults), job.schedule.toJSON(), job.owner])
}

/** What is stored of a definition. */
export function contentOf(
  job: Job,
  options: {
    readonly defaults: JobOverrides
    readonly timeline: readonly ScheduleSegment[]
    readonly nextAt: number | null
    /** Default: that of the definition. */
    readonly fingerprint?: string
  },
): JobContent {
  const { defaults, timeline, nextAt } = options
  const settings = resolveJobSettings(defaults, job.overrides)
  return {
    name: job.name,
    owner: job.owner,
    fingerprint: options.fingerprint ?? fingerprintOfJob(job, defaults),
    definition: toJobDocument(job, defaults) as unknown as JsonObject,
    handlerKey: handlerKeyOf(job),
    overlap: { policy: settings.overlapPolicy, maxQueued: settings.maxQueued },
    timeline,
    nextAt,
  }
}
