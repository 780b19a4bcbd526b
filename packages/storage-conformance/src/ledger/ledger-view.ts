import type { JobId } from '@jobistemer/core'
import type { JobRecord, JobVersionRecord, LiveCounts, OccurrenceRecord, Storage } from '@jobistemer/core/storage'
import { readCounts, readDue, readFailures, readHistory, readJobs, readLive } from './read-ledger.ts'

/** All that a storage holds, read through its own queries. */
export interface LedgerView {
  readonly jobs: readonly JobRecord[]
  /** The occurrences of each job, in the order of their time. */
  readonly histories: ReadonlyMap<JobId, readonly OccurrenceRecord[]>
  /** The versions that heads and occurrences refer to. */
  readonly versions: readonly {
    readonly jobId: JobId
    readonly version: number
    readonly record: JobVersionRecord | null
  }[]
  readonly live: Readonly<Record<'pending' | 'queued' | 'running', readonly OccurrenceRecord[]>>
  /** What failed, newest first. */
  readonly failures: readonly OccurrenceRecord[]
  /** Of each job the latest occurrence that was run and has ended. */
  readonly latest: ReadonlyMap<JobId, OccurrenceRecord | null | undefined>
  /** The jobs that are due at some time, in their order; `null` where the storage does not find them. */
  readonly due: readonly JobRecord[] | null
  /** What the storage says how many live, of each job and of all. */
  readonly counts: ReadonlyMap<JobId | 'all', LiveCounts | undefined>
}

/** Reads the whole ledger. Writers must be at rest, or parts of it are of different moments. */
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
