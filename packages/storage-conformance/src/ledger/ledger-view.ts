import type { JobId } from '@jobistemer/core'
import type { JobRecord, JobVersionRecord, LiveCounts, OccurrenceRecord, Storage } from '@jobistemer/core/storage'
import { readCounts, readDue, readFailures, readHistory, readJobs, readLive } from './read-ledger.ts'

/** All records of a storage, as the storage's queries return them. */
export interface LedgerView {
  readonly jobs: readonly JobRecord[]
  /** The occurrences of each job, in the order of their scheduled times. */
  readonly histories: ReadonlyMap<JobId, readonly OccurrenceRecord[]>
  /** The versions that heads and occurrences refer to. `record` is `null` for a missing version. */
  readonly versions: readonly {
    readonly jobId: JobId
    readonly version: number
    readonly record: JobVersionRecord | null
  }[]
  readonly live: Readonly<Record<'pending' | 'queued' | 'running', readonly OccurrenceRecord[]>>
  /** All failed occurrences, newest first. */
  readonly failures: readonly OccurrenceRecord[]
  /** For each job, the run that ended last. The value is `null` or `undefined` if the storage returned no run. */
  readonly latest: ReadonlyMap<JobId, OccurrenceRecord | null | undefined>
  /** All jobs with a next instant, in the order of these instants; `null` if the storage cannot query due jobs. */
  readonly due: readonly JobRecord[] | null
  /** The storage's counts of live occurrences, of each job and of all jobs. */
  readonly counts: ReadonlyMap<JobId | 'all', LiveCounts | undefined>
}

/**
 * Reads all records of a storage. No caller may write during the reads, because the records would then come from different
 * moments.
 */
export async function viewLedger(storage: Storage): Promise<LedgerView> {
  const jobs = await readJobs(storage)
  const histories = new Map<JobId, readonly OccurrenceRecord[]>()
  const references: { readonly jobId: JobId; readonly version: number }[] = []
  for (const job of jobs) {
    const history = await readHistory(storage, job.id)
    histories.set(job.id, history)
    const versions = new Set([job.version, ...history.map((record) => record.jobVersion)])
    for (const version of versions) references.push({ jobId: job.id, version })
  }
  const { ofJobs, ofAll } = await readCounts(
    storage,
    jobs.map((job) => job.id),
  )
  const { versions, latest } = await storage.get({ versions: references, latest: jobs.map((job) => job.id) })
  return {
    jobs,
    histories,
    versions: references.map((reference, index) => ({ ...reference, record: versions[index] ?? null })),
    live: {
      pending: await readLive(storage, 'pending'),
      queued: await readLive(storage, 'queued'),
      running: await readLive(storage, 'running'),
    },
    failures: await readFailures(storage),
    latest: new Map(jobs.map((job, index) => [job.id, latest[index]])),
    due: await readDue(storage),
    counts: new Map<JobId | 'all', LiveCounts | undefined>([
      ['all', ofAll],
      ...jobs.map((job, index) => [job.id, ofJobs[index]] as const),
    ]),
  }
}
