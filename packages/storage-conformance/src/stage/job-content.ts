import type { JsonObject } from '@jobistemer/core'
import { type JobContent, type OverlapPolicy, overlapRuleOf, type StartRate } from '@jobistemer/core/storage'
import { slotAt } from './instants.ts'

export interface JobOptions {
  /** The name of the job. Default `'alpha'`. */
  readonly name?: string
  /** The overlap policy of the job. Default `'skip'`. */
  readonly policy?: OverlapPolicy
  readonly maxQueued?: number
  /** Number of places of the job. Default 1. Only for overlap policies with places. */
  readonly maxConcurrency?: number
  /** The start rate of the job. Default: none. Only for overlap policies that support a start rate. */
  readonly startRate?: StartRate | null
  /** The next instant of the job. Default: slot 1. */
  readonly nextAt?: number | null
  /** The handler key of the job. Default: the job's name. */
  readonly handlerKey?: string
  readonly owner?: string | null
  /** The fingerprint of the version. Default `'print-1'`. */
  readonly fingerprint?: string
  readonly definition?: JsonObject
}

/** Returns the content of a simple job with one slot per minute. */
export function jobContent(options: JobOptions = {}): JobContent {
  const name = options.name ?? 'alpha'
  const fingerprint = options.fingerprint ?? 'print-1'
  const policy = options.policy ?? 'skip'
  const hasPlaces = policy !== 'allow' && policy !== 'cancel_running'
  return {
    name,
    owner: options.owner ?? null,
    fingerprint,
    definition: options.definition ?? { name, fingerprint, tasks: [{ name: 'work' }] },
    handlerKey: options.handlerKey ?? name,
    overlap: overlapRuleOf(
      policy,
      options.maxQueued ?? 1_000,
      hasPlaces ? (options.maxConcurrency ?? 1) : 1,
      hasPlaces ? (options.startRate ?? null) : null,
    ),
    timeline: [{ after: null, until: null, schedule: { type: 'every', minutes: 1 } }],
    nextAt: options.nextAt === undefined ? slotAt(1) : options.nextAt,
  }
}
