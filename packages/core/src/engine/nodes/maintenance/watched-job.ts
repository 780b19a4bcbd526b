import type { JobId } from '../../../ids.ts'
import type { JobRecord } from '../../../storage/job-record.ts'
import type { SilenceRule } from '../../jobs/silence.ts'
import type { HeapEntry } from '../../loop/indexed-heap.ts'

/** A job with `alertAfter`, as the node sees it that looks for silent ones. */
export class WatchedJob implements HeapEntry {
  /** When it is looked at next, epoch milliseconds. */
  at: number = 0
  heapIndex: number = -1
  readonly id: JobId
  readonly name: string
  readonly rule: SilenceRule
  /** Of those that were found; `null`: none was. */
  lastSuccessAt: number | null = null
  /** When it was last asked for successes. */
  checkedAt: number | null = null
  isSilent = false
  /** What was to be said of it up to this instant was said. */
  saidUpTo: number = Number.NEGATIVE_INFINITY

  constructor({ id, name }: Pick<JobRecord, 'id' | 'name'>, rule: SilenceRule) {
    this.id = id
    this.name = name
    this.rule = rule
  }

  /** Whether another rule holds by now, or the time counts from another instant. */
  hasChanged({ alertAfterMs, executionTimeoutMs, notBefore }: SilenceRule): boolean {
    const { rule } = this
    return (
      alertAfterMs !== rule.alertAfterMs ||
      executionTimeoutMs !== rule.executionTimeoutMs ||
      notBefore !== rule.notBefore
    )
  }
}
