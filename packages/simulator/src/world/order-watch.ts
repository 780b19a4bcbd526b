import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  claimableFrom,
  type ClaimAnswer,
  type ClaimRequest,
  isSuperseded,
  type JobRecord,
  type OccurrenceRecord,
  type Storage,
} from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import type { History } from '../history/history.ts'

const reads: readonly string[] = ['get', 'listJobs', 'listOccurrences', 'heartbeat', 'prune', 'serverTime']

/** The waiting occurrences before or after a storage call, and the heads of the jobs of these occurrences. */
interface Waiting {
  readonly pending: ReadonlyMap<OccurrenceId, OccurrenceRecord>
  readonly queued: ReadonlyMap<OccurrenceId, OccurrenceRecord>
  readonly jobs: ReadonlyMap<JobId, JobRecord>
}

/**
 * Wraps the storage. For each call that may change waiting occurrences, records which of them the call took, and which it left
 * waiting.
 *
 * Reads the waiting occurrences before and after the call, through the second connection `look` to the same data. The memory
 * storage executes a call at once, so no other call runs between the call and these reads.
 */
export function watchOrder(storage: Storage, look: Storage, history: History, life: string): Storage {
  return wrapStorage(storage, {
    async around(call) {
      if (reads.includes(call.method)) return await call.proceed()
      const before = see(look)
      const answering = call.proceed()
      const after = see(look)
      const answer = await answering
      const seen = { before: await before, after: await after }
      noteWoken(seen, history, life)
      if (call.method === 'claim') noteClaimed(seen, call.request, answer as ClaimAnswer, history, life)
      return answer
    },
  })
}

async function see(look: Storage): Promise<Waiting> {
  const list = (state: 'pending' | 'queued') =>
    look.listOccurrences({ kind: 'live', state, runs: false, limit: 10_000, cursor: null })
  const [pending, queued, jobs] = await Promise.all([
    list('pending'),
    list('queued'),
    look.listJobs({ limit: 10_000, cursor: null }),
  ])
  const byId = <T extends { readonly id: unknown }>(items: readonly T[]) =>
    new Map(items.map((item) => [item.id as T['id'], item]))
  return { pending: byId(pending.items), queued: byId(queued.items), jobs: byId(jobs.items) }
}

/** Records which queued occurrences a call woke, and which it left queued. */
function noteWoken(
  { before, after }: { readonly before: Waiting; readonly after: Waiting },
  history: History,
  life: string,
): void {
  const jobs = new Map<JobId, { readonly woken: OccurrenceId[]; readonly left: OccurrenceId[] }>()
  for (const { id, jobId } of before.queued.values()) {
    const job = jobs.get(jobId) ?? { woken: [], left: [] }
    jobs.set(jobId, job)
    if (after.queued.has(id)) job.left.push(id)
    else if (after.pending.has(id)) job.woken.push(id)
  }
  for (const [jobId, { woken, left }] of jobs) {
    if (woken.length > 0 && left.length > 0) history.add(life, { kind: 'order.woken', jobId, woken, left })
  }
}

/** Records which pending occurrences a claim took, and which other claimable occurrences the claim left pending. */
function noteClaimed(
  { before, after }: { readonly before: Waiting; readonly after: Waiting },
  { now, exceptHandlerKeys }: ClaimRequest,
  answer: ClaimAnswer,
  history: History,
  life: string,
): void {
  const claimed = answer.claimed.filter(({ id }) => before.pending.has(id)).map(({ id }) => id)
  if (claimed.length === 0) return
  const isOpen = (record: OccurrenceRecord | undefined, { jobs }: Waiting): boolean => {
    const job = record === undefined ? undefined : jobs.get(record.jobId)
    if (record === undefined || job === undefined || exceptHandlerKeys.includes(job.handlerKey)) return false
    return claimableFrom(job, record.dueAt) <= now && !isSuperseded(job, record)
  }
  const left = [...after.pending.values()].filter(
    (record) => isOpen(record, after) && isOpen(before.pending.get(record.id), before),
  )
  if (left.length > 0) history.add(life, { kind: 'order.claimed', claimed, left: left.map(({ id }) => id) })
}
