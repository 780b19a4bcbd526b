import type {
  AttemptRecord,
  CancelItem,
  CreateAnswer,
  CreateRecovery,
  JobRecord,
  OccurrenceRecord,
  Owner,
} from '@jobistemer/core/storage'
import { Ledger, type Mutant, mutantFor } from './mutant.ts'

const twice =
  'cancel: asked again by somebody else it answers requested, and reason and actor stay those of the first, also when it is then forced'
const traces = 'triggers: what traces a trigger is kept with it, and what traces its run with the attempts'

/** Faults in what operators ask for, and in what recovery decides. */
export const requestMutants: readonly Mutant[] = [
  mutantFor(
    [traces],
    'keeps what traces a request no longer than until it runs',
    class extends Ledger {
      override put(record: OccurrenceRecord) {
        const { trace, ...details } = record.details
        super.put(record.state === 'running' ? { ...record, details } : record)
      }
    },
  ),
  mutantFor(
    [traces],
    'keeps of an attempt what it knows alone',
    class extends Ledger {
      override put(record: OccurrenceRecord) {
        const known = ({ traceparent, ...attempt }: AttemptRecord): AttemptRecord => attempt
        super.put({ ...record, runs: record.runs.map((run) => ({ ...run, attempts: run.attempts.map(known) })) })
      }
    },
  ),
  mutantFor(
    ['overlap: skip: a request that is skipped is recorded under its other id, once, and its own stays free'],
    'uses up the id of a request that is skipped',
    class extends Ledger {
      override createDue(item: Parameters<Ledger['createDue']>[0], head: JobRecord, owner: Owner, now: number) {
        if (item.kind === 'slot') return super.createDue(item, head, owner, now)
        const { skippedId, ...own } = item
        return super.createDue(own, head, owner, now)
      }
    },
  ),
  mutantFor(
    [twice],
    'puts the actor of a second request to cancel in place of the first',
    class extends Ledger {
      override cancelOne(item: CancelItem, now: number) {
        const answer = super.cancelOne(item, now)
        const record = this.occurrences.get(item.id)
        if (answer.outcome === 'requested' && record !== undefined && record.cancelRequest !== null) {
          this.put({ ...record, cancelRequest: { ...record.cancelRequest, actor: item.actor } })
        }
        return answer
      }
    },
  ),
  mutantFor(
    [twice],
    'puts a forced cancel in place of the request before it',
    class extends Ledger {
      override cancelOne(item: CancelItem, now: number) {
        const record = this.occurrences.get(item.id)
        if (item.mode === 'force' && record?.state === 'running') this.put({ ...record, cancelRequest: null })
        return super.cancelOne(item, now)
      }
    },
  ),
  mutantFor(
    ['recovery: a recovery with no entries moves the job over its slots and leaves nothing behind'],
    'passes over a recovery with no entries',
    class extends Ledger {
      override createRecovery(item: CreateRecovery, head: JobRecord, now: number): CreateAnswer {
        if (item.entries.length > 0) return super.createRecovery(item, head, now)
        return { outcome: 'created', state: 'missed', token: 0, reason: null, displaced: [], cancelRequested: [] }
      }
    },
  ),
]
