import assert from 'node:assert/strict'
import { JobistemerError } from '@jobistemer/core'
import type { CreateItem, Owner, SettleAnswer, SettleChange, SettleItem, StorageWithin } from '@jobistemer/core/storage'
import { requestItem, slotItem } from '../stage/create-items.ts'
import { expectCreated, expectOne, expectOutcome } from '../stage/expect.ts'
import { slotAt } from '../stage/instants.ts'
import { succeeded } from '../stage/task-runs.ts'
import { type Held, TestNode } from '../stage/test-node.ts'
import { WakeUpWatch } from '../stage/wake-up-watch.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import type { CaseWorld, WorldTransaction } from '../storage-world.ts'

const progress: SettleChange = { kind: 'progress' }
const finish: SettleChange = { kind: 'finish', state: 'completed', reason: null }

/**
 * A transaction of the user, with the storage's steps inside it. No other connection may write while the transaction is
 * open.
 */
class UserTransaction {
  readonly #node: TestNode
  readonly #begun: WorldTransaction
  readonly within: StorageWithin

  constructor(node: TestNode, begun: WorldTransaction) {
    this.#node = node
    this.#begun = begun
    this.within = withinOf(node, begun.transaction)
  }

  static async begin(world: CaseWorld, node: TestNode): Promise<UserTransaction> {
    return new UserTransaction(node, await begin(world))
  }

  async create(item: CreateItem) {
    const { owner } = this.#node
    return expectOne(await this.within.createOccurrences({ now: item.scheduledAt, owner, items: [item] }))
  }

  async settle(held: Held, change: SettleChange, options: SaidOptions = {}): Promise<SettleAnswer> {
    const now = held.scheduledAt + 1
    return expectOne(await this.within.settle({ now, items: [itemOf(held, change, options)] }))
  }

  async commit(): Promise<void> {
    await this.#begun.commit()
  }

  async rollback(): Promise<void> {
    await this.#begun.rollback()
  }
}

interface SaidOptions {
  readonly sequence?: number
  readonly upToSequence?: number
  readonly result?: string
  readonly owner?: Owner
}

function itemOf(
  held: Held,
  change: SettleChange,
  { sequence = 1, upToSequence, result = 'done', owner }: SaidOptions,
): SettleItem {
  const { id, jobId, scheduledAt } = held
  const token = { token: held.token, ...(owner !== undefined && { owner }) }
  const runs = succeeded(scheduledAt, scheduledAt + 1, result)
  return {
    id,
    jobId,
    scheduledAt,
    ...token,
    sequence,
    ...(upToSequence !== undefined && { upToSequence }),
    runs,
    change,
  }
}

async function begin(world: CaseWorld): Promise<WorldTransaction> {
  assert.ok(world.beginTransaction !== undefined, 'a storage with `within` needs `beginTransaction` in its world')
  return await world.beginTransaction()
}

function withinOf({ storage }: TestNode, transaction: unknown): StorageWithin {
  assert.ok(storage.within !== undefined, 'the storage has no `within`')
  return storage.within(transaction)
}

/** Stores the progress of the occurrence `held`, as its owner and outside of any transaction. */
async function say(node: TestNode, held: Held, options: SaidOptions): Promise<SettleAnswer> {
  const items = [itemOf(held, progress, options)]
  return expectOne(await node.storage.settle({ now: held.scheduledAt + 2, items }))
}

/** Creates a job, and starts one of its slots. */
async function withHeld(world: CaseWorld) {
  const node = await TestNode.connect(world)
  const job = await node.createJob({ policy: 'queue' })
  return { node, job, held: await node.startSlot(job, 1) }
}

export const withinCases: readonly StorageCase[] = caseGroup(
  'within a transaction',
  {
    'other connections see the created occurrence after the commit': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob()
      const before = await node.head(job.id)
      const transaction = await UserTransaction.begin(world, node)
      const item = slotItem(job, 1)
      expectCreated(await transaction.create(item), 'pending')
      assert.equal(await node.find(item.id), null)
      assert.deepEqual(await node.head(job.id), before)
      assert.deepEqual(await node.counts(job.id), { pending: 0, queued: 0, running: 0 })
      assert.deepEqual((await node.claim(slotAt(9))).claimed, [])
      await transaction.commit()
      assert.equal(await node.stateOf(item), 'pending')
      assert.deepEqual(await node.counts('all'), { pending: 1, queued: 0, running: 0 })
      assert.equal((await node.head(job.id)).nextAt, slotAt(2))
      assert.equal((await node.claimOne(slotAt(9))).id, item.id)
    },

    'a rollback removes the created occurrence': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob()
      const before = await node.head(job.id)
      const transaction = await UserTransaction.begin(world, node)
      const item = slotItem(job, 1)
      const asked = requestItem(job, 'asked', slotAt(1))
      expectCreated(await transaction.create(item), 'pending')
      await transaction.create(asked)
      await transaction.rollback()
      assert.equal(await node.find(item.id), null)
      assert.deepEqual(await node.head(job.id), before)
      assert.deepEqual(await node.counts('all'), { pending: 0, queued: 0, running: 0 })
      assert.deepEqual((await node.claim(slotAt(9))).claimed, [])
      expectCreated(await node.create(item), 'pending')
    },

    'a call sees the writes of earlier calls': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'queue' })
      const transaction = await UserTransaction.begin(world, node)
      const item = requestItem(job, 'asked', slotAt(1))
      expectCreated(await transaction.create(item), 'pending')
      assert.equal(expectOutcome(await transaction.create(item), 'exists').state, 'pending')
      expectCreated(await transaction.create(requestItem(job, 'next', slotAt(2))), 'queued')
      await transaction.commit()
      assert.deepEqual(await node.counts(job.id), { pending: 1, queued: 1, running: 0 })
    },

    'creating an occurrence that exists answers exists': async (world) => {
      const { node, job, held } = await withHeld(world)
      const transaction = await UserTransaction.begin(world, node)
      const answer = expectOutcome(await transaction.create(slotItem(job, 1)), 'exists')
      assert.deepEqual([answer.state, answer.token, answer.owner], ['running', held.token, node.owner])
      await transaction.commit()
      assert.equal(await node.stateOf(held), 'running')
    },

    'a settle in a transaction takes effect at the commit': async (world) => {
      const { node, held } = await withHeld(world)
      const before = await node.record(held)
      const transaction = await UserTransaction.begin(world, node)
      expectOutcome(await transaction.settle(held, progress), 'ok')
      assert.deepEqual(await node.record(held), before)
      await transaction.commit()
      const runs = succeeded(held.scheduledAt, held.scheduledAt + 1, 'done')
      assert.deepEqual(await node.record(held), { ...before, sequence: 1, runs })
      await node.finish(held, { sequence: 2 })
      assert.equal(await node.stateOf(held), 'completed')
    },

    'a rollback undoes a settle': async (world) => {
      const { node, held } = await withHeld(world)
      const before = await node.record(held)
      const transaction = await UserTransaction.begin(world, node)
      expectOutcome(await transaction.settle(held, progress, { result: 'taken back' }), 'ok')
      await transaction.rollback()
      assert.deepEqual(await node.record(held), before)
      expectOutcome(await say(node, held, { sequence: 1, result: 'said again' }), 'ok')
      assert.equal((await node.record(held)).runs[0]?.result, 'said again')
    },

    'an owner that was replaced is refused, and nothing of it is written': async (world) => {
      const { node, held } = await withHeld(world)
      expectOutcome(await node.reap(held, { action: 'retry', now: slotAt(20) }), 'reaped')
      const other = await TestNode.connect(world, 'node-b')
      const taken = await other.claimOne(slotAt(20))
      const transaction = await UserTransaction.begin(world, node)
      const { state, token } = expectOutcome(await transaction.settle(held, progress), 'lost')
      assert.deepEqual([state, token], ['running', held.token + 1])
      await transaction.commit()
      assert.deepEqual(await node.record(held), taken)
    },

    'an owner whose token was given again after a loss is refused, and the present one is accepted': async (world) => {
      const { node, held } = await withHeld(world)
      const { owner } = node
      const before = await node.record(held)
      const transaction = await UserTransaction.begin(world, node)
      const former = { node: 'node-z', incarnation: 'node-z-1' }
      const lost = { outcome: 'lost', state: 'running', token: held.token }
      assert.deepEqual(await transaction.settle(held, progress, { owner: former }), lost)
      expectOutcome(await transaction.settle(held, progress, { owner, result: 'kept' }), 'ok')
      await transaction.commit()
      const { runs } = itemOf(held, progress, { result: 'kept' })
      assert.deepEqual(await node.record(held), { ...before, runs, sequence: 1 })
    },

    'a creation and a settle are committed or rolled back together': async (world) => {
      const { node, job, held } = await withHeld(world)
      const item = requestItem(job, 'asked', slotAt(2))
      for (const end of ['rollback', 'commit'] as const) {
        const transaction = await UserTransaction.begin(world, node)
        expectCreated(await transaction.create(item), 'queued')
        expectOutcome(await transaction.settle(held, progress), 'ok')
        await transaction[end]()
        const isThere = (await node.find(item.id)) !== null
        const isSaid = (await node.record(held)).sequence === 1
        assert.deepEqual([isThere, isSaid], [end === 'commit', end === 'commit'])
      }
    },

    'an end wakes the next one with the commit, and not without it': async (world) => {
      const { node, job, held } = await withHeld(world)
      const next = await node.addSlot(job, 2, 'queued')
      for (const end of ['rollback', 'commit'] as const) {
        const transaction = await UserTransaction.begin(world, node)
        assert.equal(expectOutcome(await transaction.settle(held, finish), 'ok').woken?.id, next.id)
        assert.deepEqual([await node.stateOf(held), await node.stateOf(next)], ['running', 'queued'])
        await transaction[end]()
      }
      assert.deepEqual([await node.stateOf(held), await node.stateOf(next)], ['completed', 'pending'])
      assert.deepEqual(await node.counts(job.id), { pending: 1, queued: 0, running: 0 })
    },

    'once its commit is forbidden, it cannot be committed, and nothing of it is there': async (world) => {
      const { node, job, held } = await withHeld(world)
      const before = await node.record(held)
      const transaction = await UserTransaction.begin(world, node)
      const item = requestItem(job, 'asked', slotAt(2))
      expectCreated(await transaction.create(item), 'queued')
      expectOutcome(await transaction.settle(held, progress), 'ok')
      await transaction.within.forbidCommit()
      await assert.rejects(transaction.commit(), 'the transaction was committed, although that was forbidden')
      assert.equal(await node.find(item.id), null)
      assert.deepEqual(await node.record(held), before)
      const another = await UserTransaction.begin(world, node)
      expectCreated(await another.create(item), 'queued')
      await another.commit()
      assert.equal(await node.stateOf(item), 'queued')
    },

    'its commit can be forbidden also when the storage was closed meanwhile': async (world) => {
      const { node, held } = await withHeld(world)
      const others = await TestNode.connect(world)
      const before = await node.record(held)
      const begun = await begin(world)
      await node.storage.close()
      const within = withinOf(node, begun.transaction)
      await assert.rejects(
        within.settle({ now: held.scheduledAt + 1, items: [itemOf(held, progress, {})] }),
        (error) => JobistemerError.isInstance(error) && error.code === 'STORAGE_CLOSED',
      )
      await within.forbidCommit()
      await assert.rejects(begun.commit(), 'the transaction was committed, although that was forbidden')
      assert.deepEqual(await others.record(held), before)
    },

    'an argument that is no transaction rejects with INVALID_TRANSACTION': async (world) => {
      const node = await TestNode.connect(world)
      for (const wrong of [undefined, null, 7, 'a transaction', {}, []]) {
        assert.throws(
          () => withinOf(node, wrong),
          (error: unknown) => JobistemerError.isInstance(error, 'INVALID_TRANSACTION') && error.field === 'transaction',
          `${JSON.stringify(wrong)} was taken for a transaction`,
        )
      }
    },

    'a call in an ended transaction rejects and writes nothing': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob()
      const begun = await begin(world)
      const kept = withinOf(node, begun.transaction)
      await begun.commit()
      const item = slotItem(job, 1)
      const request = { now: item.scheduledAt, owner: node.owner, items: [item] }
      await assert.rejects(kept.createOccurrences(request), 'something was written in a transaction that had ended')
      await assert.rejects(async () => await withinOf(node, begun.transaction).createOccurrences(request))
      assert.equal(await node.find(item.id), null)
    },

    'what an owner says up to a sequence is lost when a later one is stored': async (world) => {
      const { node, held } = await withHeld(world)
      expectOutcome(await say(node, held, { sequence: 1 }), 'ok')
      const transaction = await UserTransaction.begin(world, node)
      const said = { sequence: 2, upToSequence: 1, result: 'in the transaction' }
      expectOutcome(await transaction.settle(held, progress, said), 'ok')
      await transaction.commit()
      const refused = expectOutcome(await say(node, held, { sequence: 3, upToSequence: 1 }), 'lost')
      assert.deepEqual([refused.state, refused.token], ['running', held.token])
      const again = await UserTransaction.begin(world, node)
      expectOutcome(await again.settle(held, progress, { sequence: 4, upToSequence: 1 }), 'lost')
      await again.commit()
      const { sequence, runs } = await node.record(held)
      assert.deepEqual([sequence, runs[0]?.result], [2, 'in the transaction'])
      expectOutcome(await say(node, held, { sequence: 5, upToSequence: 2, result: 'after it' }), 'ok')
      expectOutcome(await say(node, held, { sequence: 5, upToSequence: 2, result: 'after it' }), 'ok')
      assert.equal((await node.record(held)).runs[0]?.result, 'after it')
    },
  },
  { needs: ['within'] },
)

export const withinWakeUpCases: readonly StorageCase[] = caseGroup(
  'within a transaction',
  {
    'others are woken by the commit': async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob()
      const other = await TestNode.connect(world, 'node-b')
      const transaction = await UserTransaction.begin(world, node)
      expectCreated(await transaction.create(requestItem(job, 'asked', slotAt(1))), 'pending')
      const watcher = new WakeUpWatch(other.storage)
      // A wake-up before the commit would be useless, because other connections do not see the occurrence yet.
      await watcher.hears('due', () => transaction.commit())
      watcher.end()
    },
  },
  { needs: ['within', 'subscribe'] },
)
