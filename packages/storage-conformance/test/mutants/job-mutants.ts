import type { JobId } from '@jobistemer/core'
import type { JobChange, JobRecord, OccurrenceQuery, OccurrenceRecord, PruneRequest } from '@jobistemer/core/storage'
import { isSuperseded, requeued, woken } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import type { StorageWorld } from '../../src/index.ts'
import { Ledger, ledgerStorage, ledgerWorld, type Mutant, mutant, mutantFor } from './mutant.ts'

/** Faults in jobs, reads, pruning and connections. */
export const jobMutants: readonly Mutant[] = [
  mutant(
    'makes a second version of a repeated replace',
    ['jobs: a repeated replace answers unchanged and makes no second version'],
    class extends Ledger {
      override replaceJob(head: JobRecord, change: Extract<JobChange, { kind: 'replace' }>, now: number) {
        return super.replaceJob(head, { ...change, expectedVersion: head.version }, now)
      }
    },
  ),
  mutant(
    'replaces a job although its course has gone on',
    ['jobs: a replace that expects another watermark answers conflict and changes nothing'],
    class extends Ledger {
      override replaceJob(head: JobRecord, change: Extract<JobChange, { kind: 'replace' }>, now: number) {
        return super.replaceJob(head, { ...change, expectedWatermark: head.watermark }, now)
      }
    },
  ),
  mutant(
    'leaves the watermark that is to be set back',
    [
      'jobs: a replace that sets the watermark back keeps all records, and each slot is passed again without a second one',
    ],
    class extends Ledger {
      override enact(job: JobRecord, now: number) {
        const watermark = Math.max(job.watermark, this.jobs.get(job.id)?.watermark ?? job.watermark)
        return super.enact({ ...job, watermark }, now)
      }
    },
  ),
  mutant(
    'sets the watermark wherever it is told to',
    ['jobs: a replace that would set the watermark ahead, or the next slot to what was pruned, answers conflict'],
    class extends Ledger {
      override replaceJob(head: JobRecord, change: Extract<JobChange, { kind: 'replace' }>, now: number) {
        const { setBackTo, ...plain } = change
        return super.replaceJob(
          { ...head, watermark: setBackTo ?? head.watermark },
          { ...plain, expectedWatermark: setBackTo ?? change.expectedWatermark },
          now,
        )
      }
    },
  ),
  mutant(
    'lets the floor sink with the watermark',
    [
      'jobs: a replace that sets the watermark back keeps all records, and each slot is passed again without a second one',
      'jobs: a replace that would set the watermark ahead, or the next slot to what was pruned, answers conflict',
    ],
    class extends Ledger {
      override replaceJob(head: JobRecord, change: Extract<JobChange, { kind: 'replace' }>, now: number) {
        return super.replaceJob(change.setBackTo === undefined ? head : { ...head, pruneFloor: null }, change, now)
      }
    },
  ),
  mutant(
    'replaces a job although its next slot was pruned meanwhile',
    ['jobs: a replace whose next slot was pruned meanwhile answers conflict'],
    class extends Ledger {
      override replaceJob(head: JobRecord, change: Extract<JobChange, { kind: 'replace' }>, now: number) {
        const { pruneFloor } = head
        if (change.setBackTo !== undefined || pruneFloor === null) return super.replaceJob(head, change, now)
        const answer = super.replaceJob({ ...head, pruneFloor: null }, change, now)
        return answer.outcome === 'saved' ? this.enact({ ...answer.job, pruneFloor }, now) : answer
      }
    },
  ),
  mutant(
    'lets the watermark of a re-created job sink',
    ['delete: creating over a tombstone continues its versions, and its watermark never moves back'],
    class extends Ledger {
      override enact(job: JobRecord, now: number) {
        return super.enact(job.createdAt === now ? { ...job, watermark: now } : job, now)
      }
    },
  ),
  mutant(
    'leaves what waits for a deleted job',
    ['delete: deleting cancels a pending occurrence, which no node claims any more'],
    class extends Ledger {
      override endAll(records: OccurrenceRecord[], reason: string, now: number) {
        return reason === 'deleted' ? [] : super.endAll(records, reason, now)
      }
    },
  ),
  mutant(
    'wakes and claims what a deleted job has left',
    [
      'delete in steps: lets nothing of the rest start: not by a claim, nor when what runs ends',
      'delete in steps: leaves the occurrences of other jobs alone',
    ],
    class extends Ledger {
      override isOver() {
        return false
      }

      override tend(jobId: JobId, now: number) {
        if (this.isDeleted(jobId)) super.tend(jobId, now)
        else this.wakeNext(jobId)
      }
    },
  ),
  mutantFor(
    ['delete in steps: keeps the job from being created again until all is canceled, and each try cancels some'],
    'creates a job although an earlier one has left occurrences',
    class extends Ledger {
      override makesRoom() {
        return true
      }
    },
  ),
  mutantFor(
    [
      'delete in steps: is completed by the claims of others when it is not repeated',
      'delete in steps: leaves nothing behind for what is delayed: a sweep sees the rest past it',
    ],
    'leaves what a deleted job has queued to whoever deleted it',
    class extends Ledger {
      override tend(jobId: JobId, now: number) {
        if (this.isDeleted(jobId)) this.wakeNext(jobId)
        else super.tend(jobId, now)
      }
    },
  ),
  mutantFor(
    ['delete in steps: of a paused job is completed by the claims of others too'],
    'keeps the pause of a deleted job',
    class extends Ledger {
      override deleteJob(...[head, ...rest]: Parameters<Ledger['deleteJob']>) {
        const answer = super.deleteJob(head, ...rest)
        if (answer.outcome === 'saved') this.putHead({ ...answer.job, paused: head.paused })
        return answer
      }
    },
  ),
  mutantFor(
    [
      'delete in steps: cancels no more than asked at a time, says that there is more, and comes to an end',
      'delete in steps: keeps the job from being created again until all is canceled, and each try cancels some',
    ],
    'cancels all at once, however little was asked',
    class extends Ledger {
      override cancelLeft(jobId: JobId, now: number) {
        return super.cancelLeft(jobId, now)
      }
    },
  ),
  mutantFor(
    [
      'update in steps: cancels no more than asked at a time, says that there is more, and comes to an end',
      'update in steps: goes on under a later version, and keeps the slots of its own and of that',
      'update in steps: is taken over by a later update that cancels, and by a delete',
    ],
    'cancels all that an update replaces at once, however little was asked',
    class extends Ledger {
      override cancelSuperseded(jobId: JobId) {
        return super.cancelSuperseded(jobId)
      }
    },
  ),
  mutant(
    'takes the repetition of an update for one that is done',
    ['update in steps: cancels no more than asked at a time, says that there is more, and comes to an end'],
    class extends Ledger {
      override goesOn() {
        return false
      }
    },
  ),
  mutantFor(
    ['update in steps: is taken over by a later update that cancels, and by a delete'],
    'takes another update of the same version for the repetition of one',
    class extends Ledger {
      override goesOn(head: JobRecord, change: Extract<JobChange, { kind: 'replace' }>) {
        return super.goesOn({ ...head, fingerprint: change.content.fingerprint }, change)
      }
    },
  ),
  mutantFor(
    ['update in steps: goes on under a later version, and keeps the slots of its own and of that'],
    'goes on with an update only while its version is in force',
    class extends Ledger {
      override goesOn(head: JobRecord, change: Extract<JobChange, { kind: 'replace' }>) {
        return head.version === change.expectedVersion + 1 && super.goesOn(head, change)
      }
    },
  ),
  mutantFor(
    ['update in steps: goes on under a later version, and keeps the slots of its own and of that'],
    'cancels whatever is older than the version in force',
    class extends Ledger {
      override isSuperseded(record: OccurrenceRecord) {
        const head = this.jobs.get(record.jobId) as JobRecord
        const cancelsBelow = head.cancelsBelow === null ? null : head.version
        return isSuperseded({ cancelsBelow }, record)
      }
    },
  ),
  mutantFor(
    [
      'take next: what an update has left is canceled on the way, and not taken',
      'update in steps: lets nothing of the rest start: not by a claim, nor when what runs ends',
    ],
    'wakes what an update has left',
    class extends Ledger {
      override wakeNext(jobId: JobId) {
        return this.wakeFirst(jobId)
      }

      override wakeOne(jobId: JobId) {
        const next = this.nextQueued(jobId)
        if (next === undefined || !this.hasPlace(jobId) || this.isOver(jobId)) return null
        this.put(this.inTime(woken(next)))
        return { id: next.id, jobId, scheduledAt: next.scheduledAt }
      }
    },
  ),
  mutant(
    'claims what an update has left',
    [
      'update in steps: lets nothing of the rest start: not by a claim, nor when what runs ends',
      'update in steps: of a paused job is completed when that goes on, and nothing of the rest starts',
    ],
    class extends Ledger {
      override passPending() {}
    },
  ),
  mutantFor(
    ['update in steps: is completed by the claims of others when it is not repeated'],
    'leaves what an update has queued to whoever updated',
    class extends Ledger {
      override tend(jobId: JobId, now: number) {
        if (this.isDeleted(jobId)) super.tend(jobId, now)
        else if (this.activeCount(jobId) === 0) this.wakeFirst(jobId)
      }
    },
  ),
  mutantFor(
    ['update in steps: leaves them out where a new slot meets the overlap rule'],
    'lets what an update has left count where a slot is created',
    class extends Ledger {
      override passSuperseded() {
        return false
      }
    },
  ),
  mutantFor(
    ['update in steps: keeps what was running: handed back, it is finished'],
    'cancels what has begun, once it is handed back after an update',
    class extends Ledger {
      override isSuperseded(record: OccurrenceRecord) {
        return super.isSuperseded({ ...record, token: 0 })
      }
    },
  ),
  mutantFor(
    ['update in steps: wakes what is kept under `allow`, and nothing else'],
    'leaves queued what an update in steps keeps',
    class extends Ledger {
      override cancelSuperseded(jobId: JobId, limit?: number) {
        const queued = this.liveOf(jobId, 'queued')
        const canceled = super.cancelSuperseded(jobId, limit)
        if (limit !== undefined && canceled.length > 0) {
          for (const { id } of queued) {
            const record = this.occurrences.get(id) as OccurrenceRecord
            if (record.state === 'pending') this.put(requeued(record))
          }
        }
        return canceled
      }
    },
  ),
  mutant(
    'replaces the pause of a paused job',
    ['pause: pausing a paused job answers unchanged and keeps the earlier pause'],
    class extends Ledger {
      override pauseJob(head: JobRecord, change: Extract<JobChange, { kind: 'pause' }>, now: number) {
        return super.pauseJob(change.paused === null ? head : { ...head, paused: null }, change, now)
      }
    },
  ),
  mutant(
    'prunes without raising the floor',
    ['prune: removes finished history before the instant, and raises the floor to the last removed slot'],
    class extends Ledger {
      override removeHistory(head: JobRecord, records: OccurrenceRecord[]) {
        super.removeHistory(head, records)
        this.putHead(head)
      }
    },
  ),
  mutant(
    'raises the floor only to the beginning of a range',
    ['prune: a range entry goes only when its last slot is old enough'],
    class extends Ledger {
      override removeHistory(head: JobRecord, records: OccurrenceRecord[]) {
        super.removeHistory(head, records)
        const pruneFloor = Math.max(...records.map(({ scheduledAt }) => scheduledAt))
        this.putHead({ ...head, pruneFloor })
      }
    },
  ),
  mutant(
    'lets the floor sink',
    ['prune: live occurrences stay, however old they are'],
    class extends Ledger {
      override removeHistory(head: JobRecord, records: OccurrenceRecord[]) {
        super.removeHistory({ ...head, pruneFloor: null }, records)
      }
    },
  ),
  mutant(
    'prunes the exclusion of a future slot',
    ['prune: an exclusion of a future slot stays, or the slot would run after all'],
    class extends Ledger {
      override prunable(head: JobRecord, before: number, keep: number) {
        return super.prunable({ ...head, nextAt: null }, before, keep)
      }
    },
  ),
  mutant(
    'prunes nothing that lies after the watermark',
    [
      'prune: what lies between the last slot and the next one is history too',
      'prune: of a job whose schedule is over, all of the history goes',
    ],
    class extends Ledger {
      override prunable(head: JobRecord, before: number, keep: number) {
        return super.prunable({ ...head, nextAt: head.watermark + 1 }, before, keep)
      }
    },
  ),
  mutant(
    'prunes without keeping the latest',
    ['prune: the latest are kept as asked'],
    class extends Ledger {
      override prune(request: PruneRequest) {
        return super.prune({ ...request, keep: 0 })
      }
    },
  ),
  mutant(
    'drops rows between pages: its cursor knows the instant only',
    ['listOccurrences: the history of a job comes by time, then id, in both orders, on pages of any size'],
    class extends Ledger {
      override historyPage(query: Extract<OccurrenceQuery, { kind: 'job' }>) {
        const last = query.cursor?.split(' ')[0]
        return super
          .historyPage(query)
          .filter(
            ({ scheduledAt }) => last === undefined || !last.endsWith(String(scheduledAt + 8_640_000_000_000_000)),
          )
      }
    },
  ),
  mutant(
    'includes the end of a range of time',
    ['listOccurrences: a range of time includes its beginning and excludes its end'],
    class extends Ledger {
      override historyPage(query: Extract<OccurrenceQuery, { kind: 'job' }>) {
        return super.historyPage(query.to === undefined ? query : { ...query, to: query.to + 1 })
      }
    },
  ),
  mutant(
    'keeps deadlines in whole seconds',
    ['listOccurrences: running occurrences can be narrowed to those past a deadline, that instant included'],
    class extends Ledger {
      override livePage(query: Extract<OccurrenceQuery, { kind: 'live' }>) {
        const { deadlineBefore: at } = query
        return super.livePage(at === undefined ? query : { ...query, deadlineBefore: at - (at % 1_000) + 999 })
      }
    },
  ),
  mutant(
    'keeps what has ended in the list of what is live',
    ['listOccurrences: what has ended is no longer live'],
    class extends Ledger {
      override livePage(query: Extract<OccurrenceQuery, { kind: 'live' }>) {
        const ended = [...this.occurrences.values()].filter(({ finishedAt, token }) => finishedAt !== null && token > 0)
        return [...super.livePage(query), ...(query.cursor === null ? ended : [])]
      }
    },
  ),
  {
    name: 'lets namespaces see each other',
    rejectedBy: ['connections: two sets of data never see each other, although their ids are the same'],
    capabilities: {},
    open: oneLedgerForAll(),
  },
  {
    name: 'gives out its own objects',
    rejectedBy: ['connections: what a caller does to an answer changes nothing that is stored'],
    capabilities: {},
    open: () =>
      ledgerWorld(new Ledger(), (ledger) =>
        wrapStorage(ledgerStorage(ledger), { get: async (request) => ledger.get(request) }),
      ),
  },
  {
    name: 'goes on after it was closed',
    rejectedBy: ['connections: a connection that was closed rejects every call with STORAGE_CLOSED'],
    capabilities: {},
    open: () => ledgerWorld(new Ledger(), (ledger) => wrapStorage(ledgerStorage(ledger), { close: async () => {} })),
  },
  {
    name: 'forgets everything when it is closed',
    rejectedBy: ['durability: everything is there again after every connection was closed'],
    capabilities: { durability: 'process' },
    open: forgetful,
  },
  {
    name: 'claims to be what it is not',
    rejectedBy: ['capabilities: are those that the test file declares'],
    capabilities: { durability: 'power' },
    open: () => ledgerWorld(new Ledger()),
  },
]

function oneLedgerForAll(): Mutant['open'] {
  let ledger = new Ledger()
  let worlds = 0
  return () => {
    // The runs of a suite follow each other; only worlds of one case are open at once.
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
