import { JobistemerError } from '@jobistemer/core'
import type { CreateOccurrencesRequest, SettleRequest, Storage, StorageWithin, WakeUp } from '@jobistemer/core/storage'
import { type StorageMethod, wrapStorage } from '@jobistemer/core/testing'
import type { StorageWorld, WorldTransaction } from '../../src/index.ts'
import { brokenLedger, Ledger, ledgerStorage, type Mutant } from './mutant.ts'

type Call = { readonly method: StorageMethod; readonly request: never }

/** A fault in the transactions of a storage. */
interface Fault {
  /** Returns the calls whose writes a commit stores. Default: all calls of the transaction. */
  readonly committed?: (calls: readonly Call[]) => readonly Call[]
  /** Returns the calls whose writes remain after a rollback. Default: none. */
  readonly leftByRollback?: (calls: readonly Call[]) => readonly Call[]
  /**
   * A commit after `forbidCommit` must fail and store nothing. Returns the calls whose writes such a commit stores because of
   * the fault. Default: none.
   */
  readonly leftByForbidden?: (calls: readonly Call[]) => readonly Call[]
  /** `true`: a commit after `forbidCommit` resolves, although it must reject. */
  readonly commitsForbidden?: boolean
  /** What a closed storage does with the steps of `within`: it rejects every step, or accepts every step. */
  readonly whenClosed?: 'rejects all' | 'takes all'
  /** Returns whether a call writes immediately instead of with the commit. */
  readonly atOnce?: (call: Call) => boolean
  /** `true`: calls do not see the writes of earlier calls in the same transaction. */
  readonly isForgetful?: boolean
  readonly takesAnything?: boolean
  readonly takesEnded?: boolean
  /** Creates the ledger that answers calls inside transactions. */
  readonly inside?: () => Ledger
  /** Creates the ledger that executes commits, and calls outside of transactions. */
  readonly machine?: () => Ledger
  /** The moment at which other connections receive the wake-ups of a transaction. Default: after the commit. */
  readonly wakes?: 'before the commit'
}

/** A user's transaction. The commit performs the collected calls on the data. */
class Transaction {
  readonly calls: Call[] = []
  isForbidden = false
  hasEnded = false
}

/**
 * The data of a storage, with support for transactions. This class keeps a log of all calls. To copy the data, it executes the
 * logged calls again on a new ledger.
 */
class TransactionalData {
  readonly #fault: Fault
  readonly ledger: Ledger
  readonly #log: Call[] = []
  readonly #listeners = new Map<(wakeUp: WakeUp) => void, Storage>()

  constructor(fault: Fault) {
    this.#fault = fault
    this.ledger = fault.machine?.() ?? new Ledger()
  }

  connect(): Storage {
    const storage = ledgerStorage(this.ledger)
    let isClosed = false
    const { whenClosed } = this.#fault
    const within = (transaction: unknown): StorageWithin => {
      if (isClosed && whenClosed === 'rejects all') throw closed()
      const steps = this.#within(transaction)
      if (!isClosed || whenClosed === 'takes all') return steps
      return { ...steps, createOccurrences: () => Promise.reject(closed()), settle: () => Promise.reject(closed()) }
    }
    const wrapped = wrapStorage(storage, {
      around: async (call) => {
        if (call.method !== 'serverTime') this.#log.push({ method: call.method, request: call.request as never })
        const answer = await call.proceed()
        if (call.method === 'createOccurrences') this.#tell('due', storage)
        if (call.method === 'heartbeat') this.#tell('nodes', storage)
        if (call.method === 'cancel') this.#tell('cancel', storage)
        if (call.method === 'saveJobs') this.#tell('jobs', storage)
        return answer
      },
    })
    return {
      ...wrapped,
      close: async () => {
        isClosed = true
        await wrapped.close()
      },
      within,
      subscribe: (listener) => {
        this.#listeners.set(listener, storage)
        return () => this.#listeners.delete(listener)
      },
    }
  }

  /** Sends a wake-up to each listening connection except `own`, the connection that has written. */
  #tell(kind: WakeUp['kind'], own?: Storage): void {
    for (const [listener, storage] of this.#listeners) if (storage !== own) listener({ kind })
  }

  begin(): WorldTransaction {
    const transaction = new Transaction()
    const end = (calls: readonly Call[]): void => {
      transaction.hasEnded = true
      this.#apply(calls)
    }
    const { committed = all, leftByRollback = none, leftByForbidden = none } = this.#fault
    return {
      transaction,
      rollback: async () => end(leftByRollback(transaction.calls)),
      commit: async () => {
        if (!transaction.isForbidden) {
          end(committed(transaction.calls))
          if (this.#fault.wakes === undefined) this.#tell('due')
          return
        }
        end(leftByForbidden(transaction.calls))
        if (this.#fault.commitsForbidden !== true) throw new Error('the commit is forbidden')
      },
    }
  }

  #within(given: unknown): StorageWithin {
    const isTransaction = given instanceof Transaction && (!given.hasEnded || this.#fault.takesEnded === true)
    const isTaken = this.#fault.takesAnything === true && !(given instanceof Transaction)
    if (!isTransaction && !isTaken) throw refused()
    const transaction = isTransaction ? given : new Transaction()
    const call = async (method: StorageMethod, request: CreateOccurrencesRequest | SettleRequest): Promise<never> => {
      if (transaction.hasEnded && this.#fault.takesEnded !== true) throw refused()
      const own = { method, request: structuredClone(request) as never }
      if (this.#fault.wakes === 'before the commit') this.#tell('due')
      if (transaction.hasEnded || this.#fault.atOnce?.(own) === true) return this.#apply([own]) as never
      const before = this.#fault.isForgetful === true ? [] : transaction.calls.slice()
      transaction.calls.push(own)
      return structuredClone(this.#copy([...this.#log, ...before], own)) as never
    }
    return {
      createOccurrences: (request) => call('createOccurrences', request),
      settle: (request) => call('settle', request),
      forbidCommit: async () => {
        transaction.isForbidden = true
      },
    }
  }

  #apply(calls: readonly Call[]): unknown {
    let answer: unknown
    for (const call of calls) {
      this.#log.push(call)
      answer = perform(this.ledger, call)
    }
    return answer
  }

  /**
   * Copies the data: executes the calls in `before` on a new ledger. Then executes `call` on this ledger, and returns its
   * answer.
   */
  #copy(before: readonly Call[], call: Call): unknown {
    const copy = this.#fault.inside?.() ?? new Ledger()
    for (const one of before) perform(copy, one)
    return perform(copy, call)
  }
}

function perform(ledger: Ledger, { method, request }: Call): unknown {
  return (ledger[method] as (request: unknown) => unknown).call(ledger, structuredClone(request))
}

function all(calls: readonly Call[]): readonly Call[] {
  return calls
}

function none(): readonly Call[] {
  return []
}

function closed(): JobistemerError {
  return new JobistemerError('STORAGE_CLOSED', { message: 'The storage is closed.' })
}

function refused(): JobistemerError {
  return new JobistemerError('INVALID_TRANSACTION', { message: 'This is no transaction.', field: 'transaction' })
}

export function transactionalWorld(fault: Fault = {}): StorageWorld {
  const data = new TransactionalData(fault)
  return { connect: async () => data.connect(), dispose: async () => {}, beginTransaction: async () => data.begin() }
}

const only = (method: StorageMethod) => (calls: readonly Call[]) => calls.filter((call) => call.method === method)

/** A ledger that ignores the condition `upToSequence` of a settle. */
const withoutCondition = (): Ledger =>
  brokenLedger(Ledger, { settleOne: (ledger, { upToSequence: _, ...item }, now) => ledger.settleOne(item, now) })

/** Faults in writes inside users' transactions, each with the cases that detect it. */
const faults: Readonly<Record<string, Fault & Pick<Mutant, 'rejectedBy' | 'alone' | 'throws' | 'waits'>>> = {
  'creates at once, and not with the commit': {
    rejectedBy: [
      'other connections see the created occurrence after the commit',
      'a rollback removes the created occurrence',
      'a creation and a settle are committed or rolled back together',
      'once its commit is forbidden, it cannot be committed, and nothing of it is there',
    ],
    atOnce: ({ method }) => method === 'createOccurrences',
  },
  'leaves what was created in spite of a rollback': {
    rejectedBy: ['a rollback removes the created occurrence'],
    leftByRollback: (calls) => (calls.some(({ method }) => method === 'settle') ? [] : calls),
  },
  'leaves what an owner has said in spite of a rollback': {
    rejectedBy: ['a rollback undoes a settle'],
    leftByRollback: (calls) => (calls.length === 1 && !isEnd(calls[0]) ? only('settle')(calls) : []),
  },
  'forgets with the commit what an owner has said': {
    rejectedBy: [
      'an owner whose token was given again after a loss is refused, and the present one is accepted',
      'a settle in a transaction takes effect at the commit',
      'a creation and a settle are committed or rolled back together',
      'an end wakes the next one with the commit, and not without it',
      'what an owner says up to a sequence is lost when a later one is stored',
    ],
    committed: only('createOccurrences'),
  },
  'commits what was created, and rolls back with it what was said': {
    rejectedBy: ['a creation and a settle are committed or rolled back together'],
    committed: (calls) =>
      new Set(calls.map(({ method }) => method)).size > 1 ? only('createOccurrences')(calls) : calls,
  },
  'does not look at the token in a transaction': {
    rejectedBy: ['an owner that was replaced is refused, and nothing of it is written'],
    inside: () =>
      brokenLedger(Ledger, {
        settleOne: (ledger, item, now) =>
          ledger.settleOne({ ...item, token: ledger.occurrences.get(item.id)?.token ?? item.token }, now),
      }),
  },
  'answers that an owner is late, and believes it with the commit': {
    rejectedBy: ['an owner that was replaced is refused, and nothing of it is written'],
    // This fault also affects settles outside of transactions. So cases without transactions detect the fault, too.
    alone: false,
    committed: all,
    machine: () =>
      brokenLedger(Ledger, {
        settleOne: (ledger, item, now) => {
          const record = ledger.occurrences.get(item.id)
          const isLate = record !== undefined && record.state === 'running' && record.owner?.node === 'node-b'
          return ledger.settleOne(isLate && item.token < record.token ? { ...item, token: record.token } : item, now)
        },
      }),
  },
  'wakes the next one before the commit': {
    rejectedBy: ['an end wakes the next one with the commit, and not without it'],
    atOnce: isEnd,
  },
  'does not see what was written before in the transaction': {
    rejectedBy: ['a call sees the writes of earlier calls'],
    isForgetful: true,
  },
  'does not find in a transaction what is there': {
    rejectedBy: ['creating an occurrence that exists answers exists'],
    inside: () =>
      brokenLedger(Ledger, {
        createOne: (ledger, item, owner, now) => {
          const answer = ledger.createOne(item, owner, now)
          if (answer.outcome !== 'exists' || item.kind !== 'slot') return answer
          return { ...answer, outcome: 'created', reason: null, displaced: [], cancelRequested: [] }
        },
      }),
  },
  'commits what was forbidden': {
    rejectedBy: [
      'once its commit is forbidden, it cannot be committed, and nothing of it is there',
      'its commit can be forbidden also when the storage was closed meanwhile',
    ],
    commitsForbidden: true,
  },
  'says that a commit is forbidden, and has written all the same': {
    rejectedBy: ['once its commit is forbidden, it cannot be committed, and nothing of it is there'],
    leftByForbidden: all,
  },
  'cannot forbid a commit once it is closed': {
    rejectedBy: ['its commit can be forbidden also when the storage was closed meanwhile'],
    throws: true,
    whenClosed: 'rejects all',
  },
  'writes in transactions although it is closed': {
    rejectedBy: ['its commit can be forbidden also when the storage was closed meanwhile'],
    whenClosed: 'takes all',
  },
  'takes anything for a transaction': {
    rejectedBy: ['an argument that is no transaction rejects with INVALID_TRANSACTION'],
    takesAnything: true,
  },
  'writes in what has ended': {
    rejectedBy: ['a call in an ended transaction rejects and writes nothing'],
    takesEnded: true,
  },
  'does not look at upToSequence': {
    rejectedBy: ['what an owner says up to a sequence is lost when a later one is stored'],
    inside: withoutCondition,
    machine: withoutCondition,
  },
  'wakes others before the commit, and not with it': {
    rejectedBy: ['others are woken by the commit'],
    // The case waits for a wake-up that never comes, until the case times out.
    waits: true,
    alone: false,
    wakes: 'before the commit',
  },
}

export const withinMutants: readonly Mutant[] = Object.entries(faults).map(
  ([name, { rejectedBy, alone = true, throws, waits, ...fault }]) => ({
    name,
    rejectedBy: rejectedBy.map((text) => `within a transaction: ${text}`),
    alone,
    throws,
    waits,
    capabilities: { takesNext: true, subscribe: true, within: true },
    open: () => transactionalWorld(fault),
  }),
)

function isEnd(call: Call | undefined): boolean {
  const request = call?.request as SettleRequest | undefined
  return call?.method === 'settle' && request?.items[0]?.change.kind === 'finish'
}
