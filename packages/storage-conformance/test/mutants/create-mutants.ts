import type { CreateAnswer } from '@jobistemer/core/storage'
import { createdOccurrence } from '@jobistemer/core/storage'
import { type Mutant, mutants } from './mutant.ts'

/** Mutants with faults in the steps that create occurrences and advance a job. */
export const createMutants: readonly Mutant[] = mutants({
  'takes a slot after the watermark for one that has no record': {
    rejectedBy: [
      'jobs: a replace that sets the watermark back keeps all records, and each slot is passed again without a second one',
    ],
    alone: true,
    judge: (ledger, item, head, record) => {
      const isUnseen = item.kind === 'slot' && record?.state === 'completed' && head !== null
      return ledger.judge(item, head, isUnseen && item.scheduledAt > head.watermark ? undefined : record)
    },
  },
  'skips the version check': {
    rejectedBy: ['slots: a create that carries another version than the stored one is refused with the stored version'],
    judge: (ledger, item, head, record) =>
      ledger.judge({ ...item, jobVersion: head?.version ?? item.jobVersion }, head, record),
  },
  'forgets to compare the next instant': {
    rejectedBy: ['slots: a slot that is not the next instant of the job is refused as off_schedule'],
    judge: (ledger, item, head, record) => {
      const verdict = ledger.judge(item, head, record)
      const refused = typeof verdict === 'object' && verdict.outcome === 'off_schedule'
      return refused && item.kind === 'slot' ? 'create' : verdict
    },
  },
  're-creates after prune': {
    rejectedBy: [
      'prune: what was removed can never be created again, by whatever item',
      'slots: a slot at or below the prune floor is refused as pruned and never comes back',
    ],
    judge: (ledger, item, head, record) => {
      const verdict = ledger.judge(item, head, record)
      return typeof verdict === 'object' && verdict.outcome === 'pruned' ? 'create' : verdict
    },
  },
  'judges pruned before absent': {
    rejectedBy: ['slots: then absent, pruned, stale_version and off_schedule are judged, in this order'],
    judge: (ledger, item, head, record) => {
      const pruneFloor = head?.pruneFloor ?? null
      if (record === undefined && pruneFloor !== null && item.scheduledAt <= pruneFloor) {
        return { outcome: 'pruned' as const, pruneFloor }
      }
      return ledger.judge(item, head, record)
    },
  },
  'recovers without comparing the watermark': {
    rejectedBy: ['recovery: a recovery that expects another watermark is off_schedule, and nothing of it happens'],
    judge: (ledger, item, head, record) => {
      const trusting = item.kind === 'recovery' && head !== null
      return ledger.judge(trusting ? { ...item, expectedWatermark: head.watermark } : item, head, record)
    },
  },
  'moves the watermark back when a slot is repeated': {
    rejectedBy: ['slots: a repeated slot leaves watermark and next instant of the job alone'],
    answerExists: (ledger, item, record) => {
      const head = ledger.jobs.get(item.jobId)
      if (head !== undefined && item.kind === 'slot') {
        ledger.putHead({ ...head, watermark: item.scheduledAt, nextAt: item.nextAt })
      }
      return ledger.answerExists(item, record)
    },
  },
  'stands still before an excluded slot': {
    rejectedBy: ['slots: a slot that finds its own exclusion moves the job past it'],
    answerExists: (ledger, item, record) => {
      const head = ledger.jobs.get(item.jobId)
      const answer = ledger.answerExists(item, record)
      if (head !== undefined) ledger.putHead(head)
      return answer
    },
  },
  'throws when the record exists': {
    rejectedBy: ['slots: a second create of a slot answers exists with state, token and owner, and changes nothing'],
    throws: true,
    answerExists: (_, item) => {
      throw new Error(`UNIQUE constraint failed: ${item.id}`)
    },
  },
  'does not say whose record it is': {
    rejectedBy: ['slots: a repeated create tells its own author that the record is his'],
    answerExists: (ledger, item, record) => ({ ...ledger.answerExists(item, record), owner: null }) as CreateAnswer,
  },
  'lets two run: does not see what is active when it creates': {
    rejectedBy: ['overlap: skip: a slot that meets a running one is recorded as skipped and consumed'],
    liveOf: (ledger, jobId, ...states) => {
      const isCount = states.length === 1 && states[0] === 'running'
      return isCount ? [] : ledger.liveOf(jobId, ...states)
    },
  },
  'starts a slot of a paused job': {
    rejectedBy: ['pause: a slot inside a pause is consumed as skipped, so that resuming does not flood'],
    createDue: (ledger, item, head, owner, now) => ledger.createDue(item, { ...head, paused: null }, owner, now),
  },
  'never finds a queue full': {
    rejectedBy: ['overlap: queue: a slot beyond maxQueued is skipped with the reason queue_full'],
    createDue: (ledger, item, head, owner, now) => {
      const overlap = { ...head.overlap, maxQueued: Number.POSITIVE_INFINITY }
      return ledger.createDue(item, { ...head, overlap }, owner, now)
    },
  },
  'stores a request that it refuses because the queue is full': {
    rejectedBy: ['overlap: queue: a request beyond maxQueued is refused with the limit, and nothing of it is stored'],
    createDue: (ledger, item, head, owner, now) => {
      const answer = ledger.createDue(item, head, owner, now)
      const decision = { state: 'skipped', reason: 'queue_full' } as const
      if (answer.outcome === 'queue_full') ledger.put(createdOccurrence(item, decision, owner, now))
      return answer
    },
  },
  'loses the order of a batch': {
    rejectedBy: ['batch: answers of a large create stand in the order of its items'],
    createOccurrences: (ledger, request) => {
      const items = request.items.toSorted(
        (left, right) => left.scheduledAt - right.scheduledAt || (left.id < right.id ? -1 : 1),
      )
      return ledger.createOccurrences({ ...request, items })
    },
  },
  'lets one refused item poison its batch': {
    rejectedBy: ['batch: a refused item does not touch those before and after it'],
    createOccurrences: (ledger, request) => {
      const answers: CreateAnswer[] = []
      let refusal: CreateAnswer | null = null
      for (const item of request.items) {
        const answer: CreateAnswer = refusal ?? ledger.createOne(item, request.owner, request.now)
        if (answer.outcome !== 'created' && answer.outcome !== 'exists') refusal = answer
        answers.push(answer)
      }
      return answers
    },
  },
  'takes an exclusion at the first slot of a missed range for the record of the range': {
    rejectedBy: [
      'recovery: a missed range that begins at a slot which was excluded before stands beside the exclusion',
    ],
    createRecovery: (ledger, item, head, now) => {
      const taken = new Set(ledger.historyOf(head.id).map(({ scheduledAt }) => scheduledAt))
      const entries = item.entries.filter(({ scheduledAt }) => !taken.has(scheduledAt))
      return ledger.createRecovery({ ...item, entries }, head, now)
    },
  },
  'lets a run for several slots vanish behind a record': {
    rejectedBy: [
      'recovery: a run for several slots that meets a record is refused whole, and decided anew without that slot',
    ],
    isUnaware: () => false,
  },
  'refuses every recovery that meets a record': {
    rejectedBy: ['recovery: an entry whose slot was excluded before is left as it is'],
    isUnaware: (ledger, { entries }) => entries.some(({ id }) => ledger.occurrences.has(id)),
  },
  'keeps of a missed range only its first slot': {
    rejectedBy: ['recovery: missed slots are decided in one step: records, watermark and next instant'],
    put: (ledger, record) => ledger.put(record.state === 'missed' ? { ...record, details: {} } : record),
  },
  'forgets the details of an occurrence': {
    rejectedBy: ['triggers: a replay is stored as a replay, with the id of its original'],
    put: (ledger, record) => ledger.put({ ...record, details: {} }),
  },
})
