import type { JobId } from '@jobistemer/core'
import type { ClaimRequest, PruneRequest, Storage } from '@jobistemer/core/storage'
import type { DeclaredCapabilities, StorageWorld, WorldTransaction } from '../../src/index.ts'
import { wakingWorld } from './connection-mutants.ts'
import { Ledger, ledgerStorage, ledgerWorld } from './mutant.ts'
import { transactionalWorld } from './within-mutants.ts'

/** A correct storage with permitted but unusual behavior. Every case must pass on it. */
export interface HonestVariant {
  readonly name: string
  /** The beginning of the names of the cases that run on this variant. */
  readonly passes: string
  readonly capabilities: DeclaredCapabilities
  readonly open: () => StorageWorld
}

/**
 * Returns a variant of `prune`. If the limit of a request is at most 50, this `prune` uses `limitOf(limit)` instead. The
 * contract permits this, because the limit is approximate.
 */
function pruning(name: string, limitOf: (limit: number) => number): HonestVariant {
  const prune = (ledger: Ledger) => async (request: PruneRequest) =>
    ledger.prune({ ...request, limit: request.limit > 50 ? request.limit : limitOf(request.limit) })
  return {
    name,
    passes: 'prune: ',
    capabilities: { takesNext: true },
    open: () => ledgerWorld(new Ledger(), (ledger) => ledgerStorage(ledger, { prune: prune(ledger) })),
  }
}

/**
 * A ledger in which a claim cancels only three waiting occurrences of a deleted job. The claim then reports that waiting
 * occurrences are left.
 */
class InShortSweeps extends Ledger {
  #isLeft = false

  override tend(jobId: JobId, now: number): void {
    if (!this.isDeleted(jobId) || this.activeCount(jobId) > 0) {
      super.tend(jobId, now)
      return
    }
    this.cancelLeft(jobId, now, 3)
    if (this.waitingOf(jobId).length > 0) this.#isLeft = true
  }

  override claim(request: ClaimRequest) {
    this.#isLeft = false
    const answer = super.claim(request)
    return { ...answer, more: answer.more || this.#isLeft }
  }
}

export const honestVariants: readonly HonestVariant[] = [
  pruning('prunes one at a time', () => 1),
  pruning('prunes one more than asked', (limit) => limit + 1),
  {
    name: 'sweeps in short steps',
    passes: 'delete in steps: ',
    capabilities: { takesNext: true },
    open: () => ledgerWorld(new InShortSweeps()),
  },
  {
    name: 'tells of everything when another one has done something',
    passes: 'subscribe: ',
    capabilities: { takesNext: true, subscribe: true },
    open: () => wakingWorld({ coarse: ['due', 'cancel', 'jobs', 'nodes'] }),
  },
  {
    name: 'tells of everything, and of nodes first',
    passes: 'subscribe: ',
    capabilities: { takesNext: true, subscribe: true },
    open: () => wakingWorld({ coarse: ['nodes', 'jobs', 'cancel', 'due'] }),
  },
  {
    name: 'says at first that something may be due',
    passes: 'subscribe: ',
    capabilities: { takesNext: true, subscribe: true },
    open: () => wakingWorld({ tellsAtFirst: true }),
  },
]

const toConnectMs = 4_000
const toAnswerMs = 200

async function passTime(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}

/** Returns an object whose given methods answer after a delay of `toAnswerMs`. */
function late<T extends object>(target: T, methods: readonly (keyof T)[]): T {
  const calls = methods.map((method) => {
    const call = target[method] as (...args: unknown[]) => unknown
    return [
      method,
      async (...args: unknown[]) => {
        await passTime(toAnswerMs)
        return await call.apply(target, args)
      },
    ]
  })
  return { ...target, ...Object.fromEntries(calls) }
}

function isMethodOfCalls(storage: Storage, name: string): name is keyof Storage & string {
  return typeof storage[name as keyof Storage] === 'function' && name !== 'subscribe' && name !== 'within'
}

/** Returns the same test database with long network delays and `maxBatch: 1`. */
function farAway({ connect, beginTransaction, dispose }: StorageWorld): StorageWorld {
  return {
    dispose,
    async connect() {
      await passTime(toConnectMs)
      const storage = await connect()
      const methods = Object.keys(storage).filter((name) => isMethodOfCalls(storage, name))
      const slow = late(storage, methods as (keyof Storage)[])
      const { within } = storage
      return {
        ...slow,
        capabilities: { ...storage.capabilities, maxBatch: 1 },
        ...(within && {
          within: (transaction: unknown) => late(within(transaction), ['createOccurrences', 'settle', 'forbidCommit']),
        }),
      }
    },
    ...(beginTransaction && {
      beginTransaction: async (): Promise<WorldTransaction> => {
        await passTime(toConnectMs)
        return late(await beginTransaction(), ['commit', 'rollback'])
      },
    }),
  }
}

/** Correct storages with long network delays and `maxBatch: 1`. */
export const distantVariants: readonly HonestVariant[] = [
  {
    name: 'wakes others from far away',
    passes: 'within a transaction: others are woken by the commit',
    capabilities: { takesNext: true, subscribe: true, within: true },
    open: () => farAway(transactionalWorld()),
  },
  {
    name: 'cancels what is delayed from far away',
    passes: 'delete in steps: leaves nothing behind for what is delayed: a sweep sees the rest past it',
    capabilities: { takesNext: true },
    open: () => farAway(ledgerWorld(new Ledger())),
  },
]
