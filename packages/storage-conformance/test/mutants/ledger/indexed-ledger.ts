import type { JobId } from '@jobistemer/core'
import type { DueJobs, JobQuery, JobRecord, Page } from '@jobistemer/core/storage'
import { shardOf } from '@jobistemer/core/storage'
import { Ledger } from './ledger.ts'

/** The state machine with an index of the jobs' next instants. Each write of a head updates the index. */
export class IndexedLedger extends Ledger {
  override readonly findsDueJobs: boolean = true
  readonly places: Map<JobId, number> = new Map()

  override putHead(head: JobRecord): void {
    super.putHead(head)
    this.place(head)
  }

  /** Stores the next instant of a job in the index. */
  place({ id, nextAt }: JobRecord): void {
    if (nextAt === null) this.places.delete(id)
    else this.places.set(id, nextAt)
  }

  override listJobs(query: JobQuery): Page<JobRecord> {
    return query.due === undefined ? super.listJobs(query) : this.listDue(query, query.due)
  }

  listDue({ cursor, limit }: JobQuery, due: DueJobs): Page<JobRecord> {
    const found = this.duePlaces(due)
      .filter(([id, at]) => cursor === null || this.isBehind({ id, at }, cursor))
      .sort(([leftId, left], [rightId, right]) => left - right || (leftId < rightId ? -1 : 1))
    const items = found.slice(0, limit).flatMap(([id]) => this.jobs.get(id) ?? [])
    const last = found[limit - 1]
    return { items, cursor: found.length > limit && last !== undefined ? `${last[1]} ${last[0]}` : null }
  }

  duePlaces({ after = Number.NEGATIVE_INFINITY, upTo, shards }: DueJobs): [JobId, number][] {
    return [...this.places].filter(
      ([id, at]) => at > after && at <= upTo && (shards === undefined || shards.includes(shardOf(id))),
    )
  }

  isBehind({ id, at }: { readonly id: JobId; readonly at: number }, cursor: string): boolean {
    const [lastAt, lastId = ''] = cursor.split(' ')
    return at > Number(lastAt) || (at === Number(lastAt) && id > lastId)
  }
}
