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
  /** The last success that a check has found; `null` if none has. */
  lastSuccessAt: number | null = null
  /** Instant of the last check for a success. */
  checkedAt: number | null = null
  isSilent = false
  /** Alerts up to this instant have been reported. */
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
