import { readJobDocument } from '../../job/job-document.ts'
import type { OccurrenceRecord } from '../../storage/occurrence-record.ts'
import { eachPage } from '../../storage/pages.ts'
import type { OccurrenceQuery, Page, ReapAnswer, ReapItem } from '../../storage/storage.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import { failInBackground } from '../runtime/background-loop.ts'
import { Batcher } from '../storage-access/batcher.ts'
import type { NodeParts } from '../execution/execution-pool.ts'
import {
  abandoned,
  type Beginning,
  definitionOf,
  hasEndedTasks,
  hasUnfinishedAttempt,
  runsOfLeft,
  withLostAttempts,
} from '../execution/task-run-records.ts'
import type { Heartbeats } from '../cluster/heartbeats.ts'

/**
 * Which running occurrences a search reads. `node`: only those of nodes with this name. `deadlineBefore`: only those whose
 * deadline is at or before this instant, in epoch ms. Default: all.
 */
type RunningFilter = Pick<Extract<OccurrenceQuery, { readonly kind: 'live' }>, 'node' | 'deadlineBefore'>

interface Release {
  readonly item: ReapItem
  readonly jobName: string
  readonly lostTasks: readonly string[]
  /** Whether this node took the run from its owner. */
  isReaped: boolean
}

export interface ReleaseParts extends NodeParts {
  readonly heartbeats: Heartbeats
}

/**
 * Reaps running occurrences: each becomes pending again, or fails. A run is reaped for one of these reasons:
 * - Its owner has died or ended.
 * - Its owner is an earlier life of this node.
 * - Its owner has passed the deadline of the run.
 *
 * The storage compares owner and token. So if the owner has settled its run in the meantime, that result stays.
 */
export class RunRelease {
  readonly #engine: EngineContext
  readonly #parts: ReleaseParts
  readonly #reaps: Batcher<Release, ReapItem, ReapAnswer>
  #isStopped = false

  constructor(engine: EngineContext, parts: ReleaseParts) {
    this.#engine = engine
    this.#parts = parts
    this.#reaps = new Batcher<Release, ReapItem, ReapAnswer>(engine, {
      operation: 'reap',
      make: ({ item }) => item,
      send: (storage, items, now) => storage.reap({ now, items }),
      answered: (release, _item, answer) => {
        release.isReaped = answer.outcome === 'reaped'
        if (answer.outcome === 'reaped') this.#report(release, answer.woken !== null)
      },
      rejected: ({ item }, _item, error) => engine.fail(`reap ${item.id}`, error),
      failed: (error) => failInBackground(engine, 'reap', error),
    })
  }

  /**
   * Ends a search in progress after its current page of running occurrences. The call of {@link release} that searches then
   * returns the counts of the pages that it has read.
   */
  stop(): void {
    this.#isStopped = true
  }

  /**
   * Reaps the running occurrences that `isWanted` accepts. `found`: number of accepted occurrences. `reaped`: how many of them
   * this node took from their owners. `isComplete`: this node has read all pages.
   */
  async release(
    filter: RunningFilter,
    reason: string,
    isWanted: (record: OccurrenceRecord) => boolean,
  ): Promise<{ readonly found: number; readonly reaped: number; readonly isComplete: boolean }> {
    let found = 0
    let reaped = 0
    const isComplete = await this.eachRunning({ runs: true, ...filter }, async ({ items }) => {
      const records = items.filter(isWanted)
      found += records.length
      const now = this.#engine.now()
      const releases: Release[] = []
      for (const record of records) releases.push(await this.#releaseOf(record, reason, now))
      await this.#reaps.sendNow(releases, now)
      reaped += releases.filter(({ isReaped }) => isReaped).length
    })
    return { found, reaped, isComplete }
  }

  /**
   * Reads the running occurrences page by page. `runs`: whether the records contain their task runs. Returns false if
   * {@link stop} ended the search early.
   */
  async eachRunning(
    filter: RunningFilter & { readonly runs: boolean },
    read: (page: Page<OccurrenceRecord>) => Promise<void> | void,
  ): Promise<boolean> {
    const { maxBatch: limit, storage } = this.#engine
    const query = { kind: 'live', state: 'running', limit, ...filter } as const
    const pages = eachPage((cursor) =>
      storage.repeated('listOccurrences', (calls) => calls.listOccurrences({ ...query, cursor })),
    )
    for await (const page of pages) {
      await read(page)
      if (this.#isStopped) return page.cursor === null
    }
    return true
  }

  async #releaseOf(record: OccurrenceRecord, reason: string, now: number): Promise<Release> {
    const { id, jobId, scheduledAt, token, owner, sequence } = record
    const { name: jobName, definition } = await this.#jobOf(record)
    const settings = definition?.settings
    const left = definition === null ? record.runs : runsOfLeft(record, definition)
    // If all tasks have ended, only the end of the occurrence is not stored yet. If the occurrence is tried again, the next
    // owner stores this end, and calls no handler.
    const isDone = definition !== null && hasEndedTasks(record, left, definition)
    const mayRescue = settings !== undefined && record.rescues < Math.max(settings.maxRescues, isDone ? 1 : 0)
    const retries = mayRescue && (settings.onInterrupted === 'retry' || isDone)
    // If the occurrence fails, each of its unfinished tasks fails too.
    const runs = left.map((run) =>
      retries ? withLostAttempts(run, now) : abandoned(run, { state: 'failed', reason, now }),
    )
    // If the run belongs to a backfill, create the next run of the backfill before this failure is stored. Otherwise the
    // backfill would stop if this node died between the two steps.
    if (!retries) await this.#parts.pool.relay?.handOn(record)
    const action = retries ? 'retry' : 'fail'
    const item: ReapItem = { id, jobId, scheduledAt, token, owner, sequence, runs, action, reason }
    const lostTasks = left.filter(hasUnfinishedAttempt).map(({ task }) => task)
    return { item, jobName, lostTasks, isReaped: false }
  }

  #report({ item, jobName, lostTasks }: Release, hasWoken: boolean): void {
    const { events, logger } = this.#engine
    const { id: occurrenceId, jobId, action, reason } = item
    const scheduledAt = new Date(item.scheduledAt)
    const [level, end] =
      action === 'retry' ? (['warn', 'it is tried again'] as const) : (['error', 'it has failed'] as const)
    logger[level]({ job: jobName, occurrenceId, scheduledAt, action, reason }, `occurrence reaped: ${end}`)
    events.emit('occurrence.reaped', { jobId, jobName, occurrenceId, scheduledAt, action, reason, lostTasks })
    if (action === 'retry' || hasWoken) this.#parts.capacity.workAppeared()
  }

  /**
   * Returns name and definition of an occurrence's job, also of a job that this node neither holds nor can run. The definition
   * is `null` if the storage has no readable definition. The occurrence then fails.
   */
  async #jobOf({ jobId, jobVersion }: OccurrenceRecord): Promise<{ name: string; definition: Beginning | null }> {
    const { registry } = this.#parts
    const job = registry.get(jobId)
    const plan = job?.version === jobVersion ? registry.plans.planOf(job) : null
    if (job !== undefined && plan !== null) return { name: job.job.name, definition: plan }
    const { jobs, versions } = await this.#engine.storage.repeated('get', (calls) =>
      calls.get({ jobs: [jobId], versions: [{ jobId, version: jobVersion }] }),
    )
    const name = jobs[0]?.name ?? jobId
    const [version] = versions
    if (version == null || readJobDocument(version.definition).isUnreadable === true) return { name, definition: null }
    return { name, definition: definitionOf(version) }
  }
}
