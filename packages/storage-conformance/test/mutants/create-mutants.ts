import type {
  CreateAnswer,
  CreateItem,
  CreateRecovery,
  JobRecord,
  OccurrenceRecord,
  Owner,
} from '@jobistemer/core/storage'
import { createdOccurrence } from '@jobistemer/core/storage'
import { Ledger, type Mutant, mutant, mutantFor } from './mutant.ts'

/** Faults in what creates occurrences and moves a job along. */
export const createMutants: readonly Mutant[] = [
  mutantFor(
    [
      'jobs: a replace that sets the watermark back keeps all records, and each slot is passed again without a second one',
    ],
    'takes a slot after the watermark for one that has no record',
    class extends Ledger {
      override judge(item: CreateItem, head: JobRecord | null, record: OccurrenceRecord | undefined) {
        const isUnseen = item.kind === 'slot' && record?.state === 'completed' && head !== null
        return super.judge(item, head, isUnseen && item.scheduledAt > head.watermark ? undefined : record)
      }
    },
  ),
  mutant(
    'skips the version check',
    ['slots: a create that carries another version than the stored one is refused with the stored version'],
    class extends Ledger {
      override judge(item: CreateItem, head: JobRecord | null, record: OccurrenceRecord | undefined) {
        return super.judge({ ...item, jobVersion: head?.version ?? item.jobVersion }, head, record)
      }
    },
  ),
  mutant(
    'forgets to compare the next instant',
    ['slots: a slot that is not the next instant of the job is refused as off_schedule'],
    class extends Ledger {
      override judge(item: CreateItem, head: JobRecord | null, record: OccurrenceRecord | undefined) {
        const verdict = super.judge(item, head, record)
        const refused = typeof verdict === 'object' && verdict.outcome === 'off_schedule'
        return refused && item.kind === 'slot' ? 'create' : verdict
      }
    },
  ),
  mutant(
    're-creates after prune',
    [
      'prune: what was removed can never be created again, by whatever item',
      'slots: a slot at or below the prune floor is refused as pruned and never comes back',
    ],
    class extends Ledger {
      override judge(item: CreateItem, head: JobRecord | null, record: OccurrenceRecord | undefined) {
        const verdict = super.judge(item, head, record)
        return typeof verdict === 'object' && verdict.outcome === 'pruned' ? 'create' : verdict
      }
    },
  ),
  mutant(
    'judges pruned before absent',
    ['slots: then absent, pruned, stale_version and off_schedule are judged, in this order'],
    class extends Ledger {
      override judge(item: CreateItem, head: JobRecord | null, record: OccurrenceRecord | undefined) {
        const pruneFloor = head?.pruneFloor ?? null
        if (record === undefined && pruneFloor !== null && item.scheduledAt <= pruneFloor) {
          return { outcome: 'pruned' as const, pruneFloor }
        }
        return super.judge(item, head, record)
      }
    },
  ),
  mutant(
    'recovers without comparing the watermark',
    ['recovery: a recovery that expects another watermark is off_schedule, and nothing of it happens'],
    class extends Ledger {
      override judge(item: CreateItem, head: JobRecord | null, record: OccurrenceRecord | undefined) {
        const trusting = item.kind === 'recovery' && head !== null
        return super.judge(trusting ? { ...item, expectedWatermark: head.watermark } : item, head, record)
      }
    },
  ),
  mutant(
    'moves the watermark back when a slot is repeated',
    ['slots: a repeated slot leaves watermark and next instant of the job alone'],
    class extends Ledger {
      override answerExists(item: CreateItem, record: OccurrenceRecord | undefined): CreateAnswer {
        const head = this.jobs.get(item.jobId)
        if (head !== undefined && item.kind === 'slot') {
          this.putHead({ ...head, watermark: item.scheduledAt, nextAt: item.nextAt })
        }
        return super.answerExists(item, record)
      }
    },
  ),
  mutant(
    'stands still before an excluded slot',
    ['slots: a slot that finds its own exclusion moves the job past it'],
    class extends Ledger {
      override answerExists(item: CreateItem, record: OccurrenceRecord | undefined): CreateAnswer {
        const head = this.jobs.get(item.jobId)
        const answer = super.answerExists(item, record)
        if (head !== undefined) this.putHead(head)
        return answer
      }
    },
  ),
  {
    ...mutant(
      'throws when the record exists',
      ['slots: a second create of a slot answers exists with state, token and owner, and changes nothing'],
      class extends Ledger {
        override answerExists(item: CreateItem, _record: OccurrenceRecord | undefined): CreateAnswer {
          throw new Error(`UNIQUE constraint failed: ${item.id}`)
        }
      },
    ),
    throws: true,
  },
  mutant(
    'does not say whose record it is',
    ['slots: a repeated create tells its own author that the record is his'],
    class extends Ledger {
      override answerExists(item: CreateItem, record: OccurrenceRecord | undefined): CreateAnswer {
        return { ...super.answerExists(item, record), owner: null } as CreateAnswer
      }
    },
  ),
  mutant(
    'lets two run: does not see what is active when it creates',
    ['overlap: skip: a slot that meets a running one is recorded as skipped and consumed'],
    class extends Ledger {
      override liveOf(jobId: JobRecord['id'], ...states: OccurrenceRecord['state'][]) {
        const isCount = states.length === 1 && states[0] === 'running'
        return isCount ? [] : super.liveOf(jobId, ...states)
      }
    },
  ),
  mutant(
    'starts a slot of a paused job',
    ['pause: a slot inside a pause is consumed as skipped, so that resuming does not flood'],
    class extends Ledger {
      override createDue(item: Parameters<Ledger['createDue']>[0], head: JobRecord, owner: Owner, now: number) {
        return super.createDue(item, { ...head, paused: null }, owner, now)
      }
    },
  ),
  mutant(
    'never finds a queue full',
    ['overlap: queue: a slot beyond maxQueued is skipped with the reason queue_full'],
    class extends Ledger {
      override createDue(item: Parameters<Ledger['createDue']>[0], head: JobRecord, owner: Owner, now: number) {
        const overlap = { ...head.overlap, maxQueued: Number.POSITIVE_INFINITY }
        return super.createDue(item, { ...head, overlap }, owner, now)
      }
    },
  ),
  mutant(
    'stores a request that it refuses because the queue is full',
    ['overlap: queue: a request beyond maxQueued is refused with the limit, and nothing of it is stored'],
    class extends Ledger {
      override createDue(item: Parameters<Ledger['createDue']>[0], head: JobRecord, owner: Owner, now: number) {
        const answer = super.createDue(item, head, owner, now)
        const decision = { state: 'skipped', reason: 'queue_full' } as const
        if (answer.outcome === 'queue_full') this.put(createdOccurrence(item, decision, owner, now))
        return answer
      }
    },
  ),
  mutant(
    'loses the order of a batch',
    ['batch: answers of a large create stand in the order of its items'],
    class extends Ledger {
      override createOccurrences(request: Parameters<Ledger['createOccurrences']>[0]): CreateAnswer[] {
        const items = request.items.toSorted(
          (left, right) => left.scheduledAt - right.scheduledAt || (left.id < right.id ? -1 : 1),
        )
        return super.createOccurrences({ ...request, items })
      }
    },
  ),
  mutant(
    'lets one refused item poison its batch',
    ['batch: a refused item does not touch those before and after it'],
    class extends Ledger {
      override createOccurrences(request: Parameters<Ledger['createOccurrences']>[0]): CreateAnswer[] {
        const answers: CreateAnswer[] = []
        let refusal: CreateAnswer | null = null
        for (const item of request.items) {
          const answer: CreateAnswer = refusal ?? this.createOne(item, request.owner, request.now)
          if (answer.outcome !== 'created' && answer.outcome !== 'exists') refusal = answer
          answers.push(answer)
        }
        return answers
      }
    },
  ),
  mutant(
    'takes an exclusion at the first slot of a missed range for the record of the range',
    ['recovery: a missed range that begins at a slot which was excluded before stands beside the exclusion'],
    class extends Ledger {
      override createRecovery(item: CreateRecovery, head: JobRecord, now: number) {
        const taken = new Set(this.historyOf(head.id).map(({ scheduledAt }) => scheduledAt))
        const entries = item.entries.filter(({ scheduledAt }) => !taken.has(scheduledAt))
        return super.createRecovery({ ...item, entries }, head, now)
      }
    },
  ),
  mutant(
    'lets a run for several slots vanish behind a record',
    ['recovery: a run for several slots that meets a record is refused whole, and decided anew without that slot'],
    class extends Ledger {
      override isUnaware(): boolean {
        return false
      }
    },
  ),
  mutant(
    'refuses every recovery that meets a record',
    ['recovery: an entry whose slot was excluded before is left as it is'],
    class extends Ledger {
      override isUnaware({ entries }: CreateRecovery): boolean {
        return entries.some(({ id }) => this.occurrences.has(id))
      }
    },
  ),
  mutant(
    'keeps of a missed range only its first slot',
    ['recovery: missed slots are decided in one step: records, watermark and next instant'],
    class extends Ledger {
      override put(record: OccurrenceRecord): void {
        super.put(record.state === 'missed' ? { ...record, details: {} } : record)
      }
    },
  ),
  mutant(
    'forgets the details of an occurrence',
    ['triggers: a replay is told apart from a trigger'],
    class extends Ledger {
      override put(record: OccurrenceRecord): void {
        super.put({ ...record, details: {} })
      }
    },
  ),
]
