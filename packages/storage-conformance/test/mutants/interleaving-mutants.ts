import { type JobId, JobistemerError } from '@jobistemer/core'
import type { JobRecord, OccurrenceRecord, Storage } from '@jobistemer/core/storage'
import { type Ledger, ledgerStorage, letOthersGo, type Mutant, mutants } from './mutant.ts'

const claimAndCancel =
  'races of claims: a claim and a cancel of one pending occurrence agree on which of them was first'
const claimAndPause = 'races of claims: a claim that began before a pause starts nothing once the pause was answered'
const claimAndDelete =
  'races of claims: a claim that began before a deletion starts nothing once the deletion was answered'
const oppositeOrders =
  'races of batches: batches over the same jobs in opposite orders are all answered right, and no deadlock reaches a caller'

/**
 * Returns a faulty claim that takes no lock. Other calls may change records between the claim's read and the claim's write. The
 * claim then overwrites these changes.
 */
function claimsWhatItRead(
  ledger: Ledger,
  restore: (record: OccurrenceRecord, job: JobRecord) => void,
): Partial<Storage> {
  return {
    async claim(request) {
      const pending = ledger.claimable(request.exceptHandlerKeys)
      const seen = pending.filter((record) => ledger.claimableFrom(record) <= request.now)
      const heads = new Map([...ledger.jobs])
      await letOthersGo()
      const present = new Map([...ledger.jobs])
      for (const record of seen) restore(record, heads.get(record.jobId) as JobRecord)
      const answer = structuredClone(ledger.claim(request))
      // The faulty claim must overwrite only occurrences and `starts`. So this loop restores the other members of each head,
      // which other calls may have written in the meantime.
      for (const head of present.values()) {
        const starts = ledger.jobs.get(head.id)?.starts
        ledger.putHead(starts === undefined ? head : { ...head, starts })
      }
      return answer
    },
  }
}

export const interleavingMutants: readonly Mutant[] = mutants({
  'claims with SKIP LOCKED on occurrences, without the lock of the head': {
    rejectedBy: [claimAndCancel],
    alone: true,
    calls: (ledger) =>
      claimsWhatItRead(ledger, (record) => {
        const stored = ledger.occurrences.get(record.id)
        if (stored?.state === 'canceled' && stored.token === record.token && stored.cancelRequest !== null) {
          ledger.put(record)
        }
      }),
  },
  'does not look at the pause again when it writes a claim': {
    rejectedBy: [claimAndPause],
    alone: true,
    calls: (ledger) =>
      claimsWhatItRead(ledger, (_record, job) => {
        const head = ledger.jobs.get(job.id)
        if (head !== undefined && head.deletedAt === null && head.paused !== null)
          ledger.putHead({ ...head, paused: null })
      }),
  },
  'does not look at the deletion again when it writes a claim': {
    rejectedBy: [claimAndDelete],
    alone: true,
    calls: (ledger) =>
      claimsWhatItRead(ledger, (record) => {
        const stored = ledger.occurrences.get(record.id)
        if (stored?.state !== 'canceled' || stored.reason !== 'deleted') return
        ledger.put(record)
        ledger.putHead({ ...(ledger.jobs.get(record.jobId) as JobRecord), deletedAt: null })
      }),
  },
  'locks heads in the order of the items': {
    rejectedBy: [oppositeOrders],
    alone: true,
    throws: true,
    calls: (ledger) => {
      const locks = locksOf(ledger)
      const intact = ledgerStorage(ledger)
      return {
        createOccurrences: (request) => locks.around(request.items, () => intact.createOccurrences(request)),
        settle: (request) => locks.around(request.items, () => intact.settle(request)),
        cancel: (request) => locks.around(request.items, () => intact.cancel(request)),
      }
    },
  },
})

const locksByLedger = new WeakMap<Ledger, HeadLocks>()

/** Returns the locks that all connections to one ledger share. */
function locksOf(ledger: Ledger): HeadLocks {
  let locks = locksByLedger.get(ledger)
  if (locks === undefined) {
    locks = new HeadLocks()
    locksByLedger.set(ledger, locks)
  }
  return locks
}

interface Lock {
  readonly holder: object
  readonly released: Promise<void>
  readonly release: () => void
}

/** A call holds one lock for each of its jobs until the call ends. This class detects deadlocks, as a database does. */
class HeadLocks {
  readonly #locks = new Map<JobId, Lock>()
  readonly #waits = new Map<object, JobId>()

  async around<T>(items: readonly { readonly jobId: JobId }[], body: () => Promise<T>): Promise<T> {
    const call = {}
    try {
      for (const { jobId } of items) {
        await this.#take(call, jobId)
        await aFewTurns()
      }
      return await body()
    } finally {
      this.#waits.delete(call)
      for (const [jobId, lock] of this.#locks) {
        if (lock.holder !== call) continue
        this.#locks.delete(jobId)
        lock.release()
      }
    }
  }

  async #take(call: object, jobId: JobId): Promise<void> {
    for (;;) {
      const lock = this.#locks.get(jobId)
      if (lock?.holder === call) return
      if (lock === undefined) {
        const { promise, resolve } = withResolvers()
        this.#locks.set(jobId, { holder: call, released: promise, release: resolve })
        return
      }
      this.#waits.set(call, jobId)
      if (this.#waitsForItself(call)) {
        throw new JobistemerError('STORAGE_FAILED', { message: 'Two calls wait for each other: deadlock detected.' })
      }
      await lock.released
      this.#waits.delete(call)
    }
  }

  #waitsForItself(call: object): boolean {
    let other: object | undefined = call
    do {
      const wanted: JobId | undefined = this.#waits.get(other)
      other = wanted === undefined ? undefined : this.#locks.get(wanted)?.holder
    } while (other !== undefined && other !== call)
    return other === call
  }
}

/** Waits for five microtasks, so that pending calls can take their next lock. */
async function aFewTurns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await undefined
}

function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
