import { orDefault, readBoolean, readInteger, readObject } from '../../configuration/read-value.ts'
import { toDurationMs } from '../../duration.ts'
import { jobId } from '../../ids.ts'
import { readJobName } from '../../job/read-jobs.ts'
import type { PruneOptions } from '../../job-operations.ts'
import type { LiveCounts } from '../../storage/storage.ts'
import { type CallOptions, callOptionNames } from '../storage-access/caller-context.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { countPrunable } from './count-prunable.ts'
import { mostItems } from '../../tuning.ts'

/** Counts and prunes stored occurrences for callers. This node need not know the jobs. */
export class History {
  readonly #engine: EngineContext

  constructor(engine: EngineContext) {
    this.#engine = engine
  }

  async isRunning(name: string, options: CallOptions, storage: StorageCalls): Promise<boolean> {
    const id = jobId(readJobName(name))
    readObject(options, 'options', callOptionNames)
    const { counts } = await storage.once((calls) => calls.get({ counts: [id] }))
    return (counts[0] as LiveCounts).running > 0
  }

  /** Returns how many occurrences of a job, or of all jobs, wait and run. */
  async counts(name: string | undefined, options: CallOptions, storage: StorageCalls): Promise<LiveCounts> {
    const target = name === undefined ? 'all' : jobId(readJobName(name))
    readObject(options, 'options', callOptionNames)
    const { counts } = await storage.once((calls) => calls.get({ counts: [target] }))
    return counts[0] as LiveCounts
  }

  /** Returns how many occurrences of all jobs wait. */
  async waitingCount(storage: StorageCalls): Promise<number> {
    const { counts } = await storage.once((calls) => calls.get({ counts: ['all'] }))
    const { pending, queued } = counts[0] as LiveCounts
    return pending + queued
  }

  async prune(options: PruneOptions, storage: StorageCalls): Promise<number> {
    readObject(options, 'options', ['job', 'olderThan', 'keep', 'dryRun', ...callOptionNames])
    const now = this.#engine.now()
    const before = now - toDurationMs(options.olderThan, 'olderThan')
    const keep = readInteger(orDefault(options.keep, 0), 'keep', 0, Number.MAX_SAFE_INTEGER)
    const target = options.job === undefined ? null : jobId(readJobName(options.job, 'job'))
    if (readBoolean(orDefault(options.dryRun, false), 'dryRun')) return countPrunable({ target, before, keep }, storage)
    let removed = 0
    for (let more = true; more; ) {
      const answer = await storage.once((calls) => calls.prune({ now, jobId: target, before, keep, limit: mostItems }))
      removed += answer.removed
      more = answer.more
    }
    return removed
  }
}
