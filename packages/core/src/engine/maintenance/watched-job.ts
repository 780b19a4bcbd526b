import type { JobId } from '../../ids.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { SilenceRule } from '../definitions/silence.ts'
import type { HeapEntry } from '../runtime/indexed-heap.ts'

/** A job with `alertAfter`, as the watching node knows it. */
export class WatchedJob implements HeapEntry {
  /** Instant of the next check, epoch milliseconds. */
  at: number = 0
  heapIndex: number = -1
  readonly id: JobId
  readonly name: string
  readonly rule: SilenceRule
  /** Epoch milliseconds of the last success that a check has found; `null` if no check has found one. */
  lastSuccessAt: number | null = null
  /** Epoch milliseconds of the last check for a success; `null` before the first. */
  checkedAt: number | null = null
  isSilent = false
  /** This node has reported the alerts of this job up to this instant, epoch milliseconds. */
  saidUpTo: number = Number.NEGATIVE_INFINITY

  constructor({ id, name }: Pick<JobRecord, 'id' | 'name'>, rule: SilenceRule) {
    this.id = id
    this.name = name
    this.rule = rule
  }

  /** Whether the rule has changed, or the instant from which the silence counts. */
  hasChanged({ alertAfterMs, executionTimeoutMs, notBefore }: SilenceRule): boolean {
    const { rule } = this
    return (
      alertAfterMs !== rule.alertAfterMs ||
      executionTimeoutMs !== rule.executionTimeoutMs ||
      notBefore !== rule.notBefore
    )
  }
}
