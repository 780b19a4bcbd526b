import type { JobRecord, OccurrenceRecord } from '@jobistemer/core/storage'
import { isSuperseded, requeued, woken } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import type { StorageWorld } from '../../src/index.ts'
import { Ledger, ledgerStorage, ledgerWorld, type Mutant, mutants } from './mutant.ts'

/** Mutants with faults in the methods that write jobs, read records, prune history and close connections. */
export const jobMutants: readonly Mutant[] = mutants({
  'makes a second version of a repeated replace': {
    rejectedBy: ['jobs: a repeated replace answers unchanged and makes no second version'],
    replaceJob: (ledger, head, change, now) =>
      ledger.replaceJob(head, { ...change, expectedVersion: head.version }, now),
  },
  'replaces a job although its course has gone on': {
    rejectedBy: ['jobs: a replace that expects another watermark answers conflict and changes nothing'],
    replaceJob: (ledger, head, change, now) =>
      ledger.replaceJob(head, { ...change, expectedWatermark: head.watermark }, now),
  },
  'leaves the watermark that is to be set back': {
    rejectedBy: [
      'jobs: a replace that sets the watermark back keeps all records, and each slot is passed again without a second one',
    ],
    enact: (ledger, job, now) => {
      const watermark = Math.max(job.watermark, ledger.jobs.get(job.id)?.watermark ?? job.watermark)
      return ledger.enact({ ...job, watermark }, now)
    },
  },
  'sets the watermark to any requested instant': {
    rejectedBy: [
      'jobs: a replace that would set the watermark ahead, or the next slot to what was pruned, answers conflict',
    ],
    replaceJob: (ledger, head, change, now) => {
      const { setBackTo, ...plain } = change
      return ledger.replaceJob(
        { ...head, watermark: setBackTo ?? head.watermark },
        { ...plain, expectedWatermark: setBackTo ?? change.expectedWatermark },
        now,
      )
    },
  },
  'lets the floor sink with the watermark': {
    rejectedBy: [
      'jobs: a replace that sets the watermark back keeps all records, and each slot is passed again without a second one',
      'jobs: a replace that would set the watermark ahead, or the next slot to what was pruned, answers conflict',
    ],
    replaceJob: (ledger, head, change, now) =>
      ledger.replaceJob(change.setBackTo === undefined ? head : { ...head, pruneFloor: null }, change, now),
  },
  'replaces a job although its next slot was pruned meanwhile': {
    rejectedBy: ['jobs: a replace whose next slot was pruned meanwhile answers conflict'],
    replaceJob: (ledger, head, change, now) => {
      const { pruneFloor } = head
      if (change.setBackTo !== undefined || pruneFloor === null) return ledger.replaceJob(head, change, now)
      const answer = ledger.replaceJob({ ...head, pruneFloor: null }, change, now)
      return answer.outcome === 'saved' ? ledger.enact({ ...answer.job, pruneFloor }, now) : answer
    },
  },
  'lets the watermark of a re-created job sink': {
    rejectedBy: ['delete: creating over a tombstone continues its versions, and its watermark never moves back'],
    enact: (ledger, job, now) => ledger.enact(job.createdAt === now ? { ...job, watermark: now } : job, now),
  },
  'keeps the waiting occurrences of a deleted job': {
    rejectedBy: ['delete: deleting cancels a pending occurrence, which no node claims any more'],
    endAll: (ledger, records, reason, now) => (reason === 'deleted' ? [] : ledger.endAll(records, reason, now)),
  },
  'wakes and claims what a deleted job has left': {
    rejectedBy: [
      'delete in steps: lets nothing of the rest start: not by a claim, nor when what runs ends',
      'delete in steps: leaves the occurrences of other jobs alone',
    ],
    isOver: () => false,
    tend: (ledger, jobId, now) => {
      if (ledger.isDeleted(jobId)) ledger.tend(jobId, now)
      else ledger.wakeNext(jobId)
    },
  },
  'creates a job although an earlier one has left occurrences': {
    rejectedBy: [
      'delete in steps: keeps the job from being created again until all is canceled, and each try cancels some',
    ],
    alone: true,
    makesRoom: () => true,
  },
  'lets no claim complete the deletion of a job': {
    rejectedBy: [
      'delete in steps: is completed by the claims of others when it is not repeated',
      'delete in steps: leaves nothing behind for what is delayed: a sweep sees the rest past it',
    ],
    alone: true,
    tend: (ledger, jobId, now) => {
      if (ledger.isDeleted(jobId)) ledger.wakeNext(jobId)
      else ledger.tend(jobId, now)
    },
  },
  'keeps the pause of a deleted job': {
    rejectedBy: ['delete in steps: of a paused job is completed by the claims of others too'],
    alone: true,
    deleteJob: (ledger, head, ...rest) => {
      const answer = ledger.deleteJob(head, ...rest)
      if (answer.outcome === 'saved') ledger.putHead({ ...answer.job, paused: head.paused })
      return answer
    },
  },
  'cancels all at once, however little was asked': {
    rejectedBy: [
      'delete in steps: cancels no more than asked at a time, says that there is more, and comes to an end',
      'delete in steps: keeps the job from being created again until all is canceled, and each try cancels some',
    ],
    alone: true,
    cancelLeft: (ledger, jobId, now) => ledger.cancelLeft(jobId, now),
  },
  'cancels all that an update replaces at once, however little was asked': {
    rejectedBy: [
      'update in steps: cancels no more than asked at a time, says that there is more, and comes to an end',
      'update in steps: continues under a later version, and keeps the slots of both versions',
      'update in steps: is taken over by a later update that cancels, and by a delete',
    ],
    alone: true,
    cancelSuperseded: (ledger, jobId) => ledger.cancelSuperseded(jobId),
  },
  'takes the repetition of an update for one that is done': {
    rejectedBy: ['update in steps: cancels no more than asked at a time, says that there is more, and comes to an end'],
    goesOn: () => false,
  },
  'takes another update of the same version for the repetition of one': {
    rejectedBy: ['update in steps: is taken over by a later update that cancels, and by a delete'],
    alone: true,
    goesOn: (ledger, head, change) => ledger.goesOn({ ...head, fingerprint: change.content.fingerprint }, change),
  },
  'goes on with an update only while its version is in force': {
    rejectedBy: ['update in steps: continues under a later version, and keeps the slots of both versions'],
    alone: true,
    goesOn: (ledger, head, change) => head.version === change.expectedVersion + 1 && ledger.goesOn(head, change),
  },
  'cancels whatever is older than the version in force': {
    rejectedBy: ['update in steps: continues under a later version, and keeps the slots of both versions'],
    alone: true,
    isSuperseded: (ledger, record) => {
      const head = ledger.jobs.get(record.jobId) as JobRecord
      const cancelsBelow = head.cancelsBelow === null ? null : head.version
      return isSuperseded({ cancelsBelow }, record)
    },
  },
  'wakes what an update has left': {
    rejectedBy: [
      'take next: what an update has left is canceled on the way, and not taken',
      'update in steps: lets nothing of the rest start: not by a claim, nor when what runs ends',
    ],
    alone: true,
    wakeNext: (ledger, jobId) => ledger.wakeFirst(jobId),
    wakeOne: (ledger, jobId) => {
      const next = ledger.nextQueued(jobId)
      if (next === undefined || !ledger.hasPlace(jobId) || ledger.isOver(jobId)) return null
      ledger.put(ledger.inTime(woken(next)))
      return { id: next.id, jobId, scheduledAt: next.scheduledAt }
    },
  },
  'claims what an update has left': {
    rejectedBy: [
      'update in steps: lets nothing of the rest start: not by a claim, nor when what runs ends',
      'update in steps: of a paused job is completed when that goes on, and nothing of the rest starts',
    ],
    passPending: () => {},
  },
  'lets no claim complete the cancels of an update': {
    rejectedBy: ['update in steps: is completed by the claims of others when it is not repeated'],
    alone: true,
    tend: (ledger, jobId, now) => {
      if (ledger.isDeleted(jobId)) ledger.tend(jobId, now)
      else if (ledger.activeCount(jobId) === 0) ledger.wakeFirst(jobId)
    },
  },
  'lets what an update has left count where a slot is created': {
    rejectedBy: ['update in steps: leaves them out where a new slot meets the overlap rule'],
    alone: true,
    passSuperseded: () => false,
  },
  'cancels what has begun, once it is handed back after an update': {
    rejectedBy: ['update in steps: keeps what was running: handed back, it is finished'],
    alone: true,
    isSuperseded: (ledger, record) => ledger.isSuperseded({ ...record, token: 0 }),
  },
  'leaves queued what an update in steps keeps': {
    rejectedBy: ['update in steps: wakes what is kept under `allow`, and nothing else'],
    alone: true,
    cancelSuperseded: (ledger, jobId, limit) => {
      const queued = ledger.liveOf(jobId, 'queued')
      const canceled = ledger.cancelSuperseded(jobId, limit)
      if (limit !== undefined && canceled.length > 0) {
        for (const { id } of queued) {
          const record = ledger.occurrences.get(id) as OccurrenceRecord
          if (record.state === 'pending') ledger.put(requeued(record))
        }
      }
      return canceled
    },
  },
  'replaces the pause of a paused job': {
    rejectedBy: ['pause: pausing a paused job answers unchanged and keeps the earlier pause'],
    pauseJob: (ledger, head, change, now) =>
      ledger.pauseJob(change.paused === null ? head : { ...head, paused: null }, change, now),
  },
  'prunes without raising the floor': {
    rejectedBy: ['prune: removes finished history before the instant, and raises the floor to the last removed slot'],
    removeHistory: (ledger, head, records) => {
      ledger.removeHistory(head, records)
      ledger.putHead(head)
    },
  },
  'raises the floor only to the beginning of a range': {
    rejectedBy: ['prune: a range entry goes only when its last slot is old enough'],
    removeHistory: (ledger, head, records) => {
      ledger.removeHistory(head, records)
      const pruneFloor = Math.max(...records.map(({ scheduledAt }) => scheduledAt))
      ledger.putHead({ ...head, pruneFloor })
    },
  },
  'lets the floor sink': {
    rejectedBy: ['prune: live occurrences stay, however old they are'],
    removeHistory: (ledger, head, records) => ledger.removeHistory({ ...head, pruneFloor: null }, records),
  },
  'prunes the exclusion of a future slot': {
    rejectedBy: ['prune: an exclusion of a future slot stays, or the slot would run after all'],
    prunable: (ledger, head, before, keep) => ledger.prunable({ ...head, nextAt: null }, before, keep),
  },
  'prunes nothing that lies after the watermark': {
    rejectedBy: [
      'prune: what lies between the last slot and the next one is history too',
      'prune: of a job whose schedule is over, all of the history goes',
    ],
    prunable: (ledger, head, before, keep) => ledger.prunable({ ...head, nextAt: head.watermark + 1 }, before, keep),
  },
  'prunes without keeping the latest': {
    rejectedBy: ['prune: the latest are kept as asked'],
    prune: (ledger, request) => ledger.prune({ ...request, keep: 0 }),
  },
  'drops rows between pages: its cursor knows the instant only': {
    rejectedBy: ['listOccurrences: the history of a job comes by time, then id, in both orders, on pages of any size'],
    historyPage: (ledger, query) => {
      const last = query.cursor?.split(' ')[0]
      return ledger
        .historyPage(query)
        .filter(({ scheduledAt }) => last === undefined || !last.endsWith(String(scheduledAt + 8_640_000_000_000_000)))
    },
  },
  'includes the end of a range of time': {
    rejectedBy: ['listOccurrences: a range of time includes its beginning and excludes its end'],
    historyPage: (ledger, query) => ledger.historyPage(query.to === undefined ? query : { ...query, to: query.to + 1 }),
  },
  'keeps deadlines in whole seconds': {
    rejectedBy: [
      'listOccurrences: running occurrences can be narrowed to those past a deadline, that instant included',
    ],
    livePage: (ledger, query) => {
      const { deadlineBefore: at } = query
      return ledger.livePage(at === undefined ? query : { ...query, deadlineBefore: at - (at % 1_000) + 999 })
    },
  },
  'keeps what has ended in the list of what is live': {
    rejectedBy: ['listOccurrences: an ended occurrence is no longer live'],
    livePage: (ledger, query) => {
      const ended = [...ledger.occurrences.values()].filter(({ finishedAt, token }) => finishedAt !== null && token > 0)
      return [...ledger.livePage(query), ...(query.cursor === null ? ended : [])]
    },
  },
  'lets namespaces see each other': {
    rejectedBy: ['connections: two sets of data never see each other, although their ids are the same'],
    capabilities: {},
    open: oneLedgerForAll(),
  },
  'gives out its own objects': {
    rejectedBy: ['connections: what a caller does to an answer changes nothing that is stored'],
    capabilities: {},
    open: () =>
      ledgerWorld(new Ledger(), (ledger) =>
        wrapStorage(ledgerStorage(ledger), { get: async (request) => ledger.get(request) }),
      ),
  },
  'goes on after it was closed': {
    rejectedBy: ['connections: a connection that was closed rejects every call with STORAGE_CLOSED'],
    capabilities: {},
    open: () => ledgerWorld(new Ledger(), (ledger) => wrapStorage(ledgerStorage(ledger), { close: async () => {} })),
  },
  'forgets everything when it is closed': {
    rejectedBy: ['durability: everything is there again after every connection was closed'],
    capabilities: { durability: 'process' },
    open: forgetful,
  },
  'claims to be what it is not': {
    rejectedBy: ['capabilities: match the declaration of the test file'],
    capabilities: { durability: 'power' },
    open: () => ledgerWorld(new Ledger()),
  },
})

function oneLedgerForAll(): Mutant['open'] {
  let ledger = new Ledger()
  let worlds = 0
  return () => {
    // All test databases of one case share the ledger. Cases run one after the other, so no test database is open at the
    // beginning of a case. So the first test database of each case creates a new ledger.
    if (worlds === 0) ledger = new Ledger()
    worlds += 1
    return {
      ...ledgerWorld(ledger),
      async dispose() {
        worlds -= 1
      },
    }
  }
}

function forgetful(): StorageWorld {
  let ledger = new Ledger()
  return {
    async connect() {
      const storage = ledgerStorage(ledger)
      return wrapStorage(storage, {
        capabilities: { ...storage.capabilities, durability: 'process' },
        async close() {
          ledger = new Ledger()
          await storage.close()
        },
      })
    },
    dispose: async () => {},
  }
}
