import assert from 'node:assert/strict'
import { type JobId, JobistemerError, jobId } from '@jobistemer/core'
import type { JobRecord, OccurrenceRecord, Storage } from '@jobistemer/core/storage'
import { readPages } from '../ledger/read-ledger.ts'
import { caseGroup, type DeclaredCapabilities, type StorageCase } from '../storage-case.ts'
import { requestItem, slotAddress, slotItem } from '../stage/create-items.ts'
import { expectCreated, expectOutcome } from '../stage/expect.ts'
import { slotAt, start } from '../stage/instants.ts'
import { jobContent } from '../stage/job-content.ts'
import { TestNode } from '../stage/test-node.ts'
import { WakeUpWatch } from '../stage/wake-up-watch.ts'

const owner = { node: 'node-a', incarnation: 'node-a-1' }

/** One call of each storage method, with arguments that are valid for the job `alpha`. */
const calls: Readonly<Record<string, (storage: Storage) => Promise<unknown>>> = {
  saveJobs: (storage) =>
    storage.saveJobs({ now: start, changes: [{ kind: 'create', id: jobId('alpha'), content: jobContent() }] }),
  createOccurrences: (storage) =>
    storage.createOccurrences({
      now: start,
      owner,
      items: [slotItem({ id: jobId('alpha'), name: 'alpha', version: 1 }, 1)],
    }),
  claim: (storage) => storage.claim({ now: start, owner, limit: 1, exceptHandlerKeys: [], sweep: false }),
  settle: (storage) =>
    storage.settle({
      now: start,
      items: [
        {
          ...slotAddress({ id: jobId('alpha'), name: 'alpha', version: 1 }, 1),
          token: 1,
          sequence: 1,
          runs: [],
          change: { kind: 'progress' },
        },
      ],
    }),
  cancel: (storage) => storage.cancel({ now: start, items: [] }),
  reap: (storage) => storage.reap({ now: start, items: [] }),
  get: (storage) => storage.get({ jobs: [jobId('alpha')] }),
  listJobs: (storage) => storage.listJobs({ limit: 1, cursor: null }),
  listOccurrences: (storage) =>
    storage.listOccurrences({ kind: 'live', state: 'running', runs: false, limit: 1, cursor: null }),
  heartbeat: (storage) => storage.heartbeat({ now: start, own: null, remove: [], profilesOf: [] }),
  prune: (storage) => storage.prune({ now: start, jobId: null, before: start, keep: 0, limit: 1 }),
}

async function rejectionOf(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    (answer) => assert.fail(`expected a rejection, got the answer ${JSON.stringify(answer)}`),
    (error: unknown) => error,
  )
}

/** Starts a slot of the job, and ends it as failed. Returns the id of its occurrence. */
async function failSlot(node: TestNode, job: JobRecord, index: number): Promise<string> {
  const held = await node.startSlot(job, index)
  const change = { kind: 'finish', state: 'failed', reason: null } as const
  expectOutcome(await node.settle(held, change, { now: slotAt(index) }), 'ok')
  return held.id
}

/**
 * Reads the failed runs of a job through one connection, by three queries: the latest run, the failures, and the
 * history.
 */
async function failedRuns(node: TestNode, id: JobId): Promise<Readonly<Record<string, readonly unknown[]>>> {
  const { latest } = await node.storage.get({ latest: [id] })
  const query = { kind: 'failed', jobId: id, order: 'ascending', runs: false, limit: 10 } as const
  const failed = await readPages((cursor) => node.storage.listOccurrences({ ...query, cursor }))
  const history = await node.history(id)
  const idsOf = (records: readonly (OccurrenceRecord | null)[]) => records.map((record) => record?.id)
  return { latest: idsOf(latest), failed: idsOf(failed), history: idsOf(history) }
}

export const connectionCases: readonly StorageCase[] = caseGroup('connections', {
  'if one connection removes and recreates a job, every connection sees the new job': async (world) => {
    const first = await TestNode.connect(world, 'node-a')
    const second = await TestNode.connect(world, 'node-b')
    const before = await second.createJob()
    const gone = await failSlot(second, before, 1)
    assert.deepEqual(await failedRuns(first, before.id), { latest: [gone], failed: [gone], history: [gone] })
    await second.deleteJob(before.id, slotAt(2))
    const request = { now: slotAt(9), jobId: before.id, before: slotAt(9), keep: 0, limit: 100 }
    for (let more = true; more; ) more = (await second.storage.prune(request)).more
    assert.equal(await second.findHead(before.id), null)
    const job = await second.createJob({ nextAt: slotAt(20) }, slotAt(19))
    const made = await failSlot(second, job, 20)
    const expected = { latest: [made], failed: [made], history: [made] }
    assert.deepEqual(await failedRuns(second, job.id), expected)
    assert.deepEqual(await failedRuns(first, job.id), expected)
    const next = await failSlot(first, job, 21)
    assert.deepEqual((await failedRuns(first, job.id)).failed, [made, next])
    assert.deepEqual((await failedRuns(second, job.id)).latest, [next])
  },

  'every connection sees at once what another one wrote': async (world) => {
    const first = await TestNode.connect(world, 'node-a')
    const second = await TestNode.connect(world, 'node-b')
    const job = await first.createJob()
    assert.deepEqual(await second.head(job.id), job)
    const held = await second.startSlot(job, 1)
    assert.deepEqual((await first.record(held)).owner, second.owner)
    await second.finish(held)
    assert.equal(await first.stateOf(held), 'completed')
    assert.deepEqual((await first.head(job.id)).watermark, slotAt(1))
  },

  'a connection that was closed rejects every call with STORAGE_CLOSED': async (world) => {
    const storage = await world.connect()
    await storage.close()
    for (const [method, call] of Object.entries(calls)) {
      // Each method must return a rejected promise. If a method throws synchronously, this test fails: callers may await
      // the promise later, and do not expect an error from the call itself.
      const error = await rejectionOf(call(storage))
      assert.ok(JobistemerError.isInstance(error, 'STORAGE_CLOSED'), `${method} rejected with ${String(error)}`)
    }
  },

  'closing twice is allowed': async (world) => {
    const storage = await world.connect()
    await storage.close()
    await storage.close()
  },

  'closing one connection leaves the other connections open': async (world) => {
    const first = await TestNode.connect(world, 'node-a')
    const second = await TestNode.connect(world, 'node-b')
    const job = await first.createJob()
    const held = await first.startSlot(job, 1)
    await first.storage.close()
    assert.equal(await second.stateOf(held), 'running')
    await second.finish(held)
    const third = await TestNode.connect(world, 'node-c')
    assert.equal(await third.stateOf(held), 'completed')
    // The connection that is already open and the new connection must share the data. This case fails if each connection has
    // its own copy.
    const written = await second.addSlot(job, 2, 'pending')
    assert.equal(await third.stateOf(written), 'pending')
    const answers = await Promise.all([second, third].map((node) => node.create(slotItem(job, 3))))
    assert.deepEqual(answers.map(({ outcome }) => outcome).sort(), ['created', 'exists'])
  },

  'a call that is under way when the connection is closed is done, or rejects and did nothing by halves': async (
    world,
  ) => {
    const node = await TestNode.connect(world, 'node-a')
    const closing = await TestNode.connect(world, 'node-b')
    const job = await node.createJob({ policy: 'allow' })
    const items = Array.from({ length: 20 }, (_, index) => slotItem(job, index + 1, { run: true }))
    const answer = closing.createAll(items, slotAt(20)).then(
      (answers) => answers.length,
      (error: unknown) => error,
    )
    await closing.storage.close()
    const result = await answer
    const history = await node.history(job.id)
    if (typeof result === 'number') assert.equal(history.length, 20)
    else assert.ok(JobistemerError.isInstance(result, 'STORAGE_CLOSED'), `rejected with ${String(result)}`)
    const head = await node.head(job.id)
    assert.equal(head.watermark, history.at(-1)?.scheduledAt ?? start)
    assert.equal(head.nextAt, slotAt(history.length + 1))
  },

  'two sets of data never see each other, although their ids are the same': async (world) => {
    const here = await TestNode.connect(world)
    const there = await TestNode.connect(await world.another())
    const job = await here.createJob({ policy: 'queue' })
    assert.equal(await there.findHead(job.id), null)
    const other = await there.createJob({ policy: 'queue', fingerprint: 'another' })
    const held = await here.startSlot(job, 1)
    expectCreated(await there.create(slotItem(other, 1)), 'pending')
    assert.deepEqual((await here.claim(slotAt(1))).claimed, [])
    const claimed = await there.claimOne(slotAt(1))
    await there.finish(claimed)
    assert.equal(await here.stateOf(held), 'running')
    await there.deleteJob(other.id)
    await there.prune({ before: slotAt(9) })
    assert.equal((await here.head(job.id)).deletedAt, null)
    assert.equal((await here.head(job.id)).pruneFloor, null)
    const jobs = await here.storage.listJobs({ limit: 10, cursor: null, deleted: true })
    assert.deepEqual(jobs.items, [await here.head(job.id)])
  },

  'calls without items answer nothing': async (world) => {
    const { storage } = await TestNode.connect(world)
    assert.deepEqual(await storage.saveJobs({ now: start, changes: [] }), [])
    assert.deepEqual(await storage.createOccurrences({ now: start, owner, items: [] }), [])
    assert.deepEqual(await storage.settle({ now: start, items: [] }), [])
    assert.deepEqual(await storage.cancel({ now: start, items: [] }), [])
    assert.deepEqual(await storage.reap({ now: start, items: [] }), [])
  },

  'what a caller does to an answer changes nothing that is stored': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1, { details: { data: { list: [1] } } })
    const before = structuredClone([await node.record(held), await node.head(job.id)])
    const answers = [
      await node.record(held),
      await node.head(job.id),
      ...(await node.history(job.id)),
      ...(await node.storage.listJobs({ limit: 10, cursor: null })).items,
    ]
    for (const answer of answers) spoil(answer)
    assert.deepEqual([await node.record(held), await node.head(job.id)], before)
  },
})

/** Overwrites every nested member of a value. Members of frozen objects stay unchanged. */
function spoil(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  for (const key of Object.keys(value)) {
    spoil(Reflect.get(value, key))
    Reflect.set(value, key, 'spoiled')
  }
}

export const batchCases: readonly StorageCase[] = caseGroup('batch', {
  'answers of a large create stand in the order of its items': async (world) => {
    const node = await TestNode.connect(world)
    const jobs: JobRecord[] = []
    for (let index = 0; index < 6; index++) jobs.push(await node.createJob({ name: `job-${index}`, policy: 'queue' }))
    const { maxBatch } = node.storage.capabilities
    const size = Math.max(1, Math.min(120, maxBatch))
    const items = Array.from({ length: size }, (_, index) => {
      const job = jobs[(index * 5) % jobs.length]
      assert.ok(job !== undefined)
      // Every seventh item has an instant that is not the job's next slot, and every eleventh item has an outdated job version.
      if (index % 11 === 3) return requestItem(job, `key-${index}`, slotAt(1) + index, { version: 9 })
      if (index % 7 === 2) return slotItem(job, 5_000 + index)
      return requestItem(job, `key-${index}`, slotAt(1) + index)
    })
    const answers = await node.createAll(items, slotAt(2))
    assert.equal(answers.length, size)
    const expected = items.map((item) =>
      item.jobVersion === 9 ? 'stale_version' : item.kind === 'slot' ? 'off_schedule' : 'created',
    )
    assert.deepEqual(
      answers.map((answer) => answer.outcome),
      expected,
    )
    for (const [index, item] of items.entries()) {
      assert.equal((await node.find(item.id)) !== null, expected[index] === 'created', `item ${index}`)
    }
  },

  'items of one job take effect in their order: two successive slots in one call': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const answers = await node.createAll(
      [slotItem(job, 1), slotItem(job, 2), slotItem(job, 2), slotItem(job, 4)],
      slotAt(4),
    )
    assert.deepEqual(
      answers.map((answer) => answer.outcome),
      ['created', 'created', 'exists', 'off_schedule'],
    )
    assert.equal((await node.head(job.id)).watermark, slotAt(2))
  },

  'a refused item does not touch those before and after it': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob()
    const beta = await node.createJob({ name: 'beta' })
    const never = { id: jobId('never'), name: 'never', version: 1 }
    const answers = await node.createAll(
      [
        slotItem(alpha, 1, { run: true }),
        slotItem(never, 1, { run: true }),
        slotItem(beta, 2, { run: true }),
        slotItem(beta, 1, { version: 4 }),
        slotItem(beta, 1, { run: true }),
      ],
      slotAt(1),
    )
    assert.deepEqual(
      answers.map((answer) => answer.outcome),
      ['created', 'absent', 'off_schedule', 'stale_version', 'created'],
    )
    assert.equal(await node.stateOf(slotAddress(alpha, 1)), 'running')
    assert.equal(await node.stateOf(slotAddress(beta, 1)), 'running')
  },

  'one id twice in a call is created once': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const item = requestItem(job, 'by-hand', slotAt(1), { run: true })
    const [first, second] = await node.createAll([item, item], slotAt(1))
    expectCreated(first, 'running')
    const exists = expectOutcome(second, 'exists')
    assert.deepEqual([exists.state, exists.token, exists.owner], ['running', 1, node.owner])
    assert.equal((await node.history(job.id)).length, 1)
  },
})

const survives: StorageCase['run'] = async (world) => {
  const first = await TestNode.connect(world)
  const job = await first.createJob({ policy: 'queue' })
  const held = await first.startSlot(job, 1)
  const queued = await first.addSlot(job, 2, 'queued')
  await first.pause(job.id, start + 1)
  const before = [await first.head(job.id), await first.history(job.id)]
  await first.storage.close()
  const second = await TestNode.connect(world)
  assert.deepEqual([await second.head(job.id), await second.history(job.id)], before)
  expectOutcome(await second.create(slotItem(job, 1)), 'exists')
  assert.equal((await second.finish(held))?.id, queued.id)
  await second.prune({ before: slotAt(2) })
  await second.storage.close()
  const third = await TestNode.connect(world)
  expectOutcome(await third.create(slotItem(job, 1)), 'pruned')
  assert.deepEqual(await third.liveIds('pending'), [queued.id])
}

export const durabilityCases: readonly StorageCase[] = caseGroup(
  'durability',
  { 'everything is there again after every connection was closed': survives },
  { needs: ['durability'] },
)

export const serverTimeCases: readonly StorageCase[] = caseGroup(
  'serverTime',
  {
    'is a whole number of epoch milliseconds and does not run backwards': async (world) => {
      const storage = await world.connect()
      assert.ok(storage.serverTime !== undefined)
      const first = await storage.serverTime()
      const second = await storage.serverTime()
      assert.ok(Number.isInteger(first) && Number.isInteger(second))
      assert.ok(second >= first, `${second} after ${first}`)
    },
  },
  { needs: ['serverTime'] },
)

export const subscribeCases: readonly StorageCase[] = caseGroup(
  'subscribe',
  {
    'wakes another connection when there is something to do, and not after it was ended': async (world) => {
      const watcher = new WakeUpWatch(await world.connect())
      const node = await TestNode.connect(world, 'node-b')
      const job = await node.createJob({ policy: 'allow' })
      await watcher.hears('due', () => node.addSlot(job, 1, 'pending'))
      watcher.end()
      const heard = watcher.heard.length
      await node.addSlot(job, 2, 'pending')
      await node.history(job.id)
      assert.equal(watcher.heard.length, heard)
    },

    'wakes another connection when a node comes and when it is leaving': async (world) => {
      const watcher = new WakeUpWatch(await world.connect())
      const speaker = await world.connect()
      const life = { node: 'node-b', incarnation: 'life-1', startedAt: 0, about: {} }
      for (const [counter, leaving] of [
        [1, false],
        [2, true],
      ] as const) {
        const own = { ...life, counter, leaving }
        await watcher.hears('nodes', () => speaker.heartbeat({ now: slotAt(counter), own, remove: [], profilesOf: [] }))
      }
      watcher.end()
    },

    'wakes another connection when the cancellation of a running occurrence is requested': async (world) => {
      const watcher = new WakeUpWatch(await world.connect())
      const node = await TestNode.connect(world, 'node-b')
      const job = await node.createJob({ policy: 'allow' })
      const [first, second] = [await node.startSlot(job, 1), await node.startSlot(job, 2)]
      await watcher.hears('cancel', () => node.cancel(first))
      await watcher.hears('cancel', () => node.cancel(second))
      watcher.end()
    },

    'wakes another connection when a job is created, replaced, paused, resumed and deleted': async (world) => {
      const watcher = new WakeUpWatch(await world.connect())
      const node = await TestNode.connect(world, 'node-b')
      const id = jobId('alpha')
      await watcher.hears('jobs', () => node.createJob())
      await watcher.hears('jobs', () => node.replaceJob(id, {}))
      await watcher.hears('jobs', () => node.pause(id))
      await watcher.hears('jobs', () => node.resume(id))
      await watcher.hears('jobs', () => node.deleteJob(id))
      watcher.end()
    },

    'goes on waking when one of the other connections is closed': async (world) => {
      const watcher = new WakeUpWatch(await world.connect())
      const closing = await world.connect()
      const node = await TestNode.connect(world, 'node-b')
      assert.ok(closing.subscribe !== undefined)
      closing.subscribe(() => {})
      const job = await node.createJob({ policy: 'allow' })
      await watcher.hears('due', () => node.addSlot(job, 1, 'pending'))
      await closing.close()
      await watcher.hears('due', () => node.addSlot(job, 2, 'pending'))
      await watcher.hears('due', () => node.addSlot(job, 3, 'pending'))
      watcher.end()
    },

    'wakes no connection for what it has written itself': async (world) => {
      const node = await TestNode.connect(world, 'node-a')
      const other = await world.connect()
      const watcher = new WakeUpWatch(node.storage)
      const job = await node.createJob({ policy: 'allow' })
      let lives = 0
      const hearOfAnotherLife = async (): Promise<void> => {
        const incarnation = `life-${++lives}`
        const own = { node: 'node-b', incarnation, counter: 1, startedAt: 0, leaving: false, about: {} }
        await watcher.hears('nodes', () => other.heartbeat({ now: slotAt(1), own, remove: [], profilesOf: [] }))
      }
      // The first wake-ups of a subscription may be of any kind, because the subscriber may have missed earlier wake-ups of
      // any kind.
      let isItsOwn = false
      for (let round = 1; round <= 5; round++) {
        watcher.heard.length = 0
        await node.addSlot(job, round, 'pending')
        // Wake-ups arrive in order: the wake-up `nodes` of this heartbeat follows the wake-up `due` of the created occurrence.
        await hearOfAnotherLife()
        const heard = [...watcher.heard]
        if (!heard.includes('due')) {
          isItsOwn = false
          break
        }
        // In this round, the connection of `node` received a wake-up `due` after its own write. This is permitted if the
        // storage sends wake-ups of every kind after each call. To find out, the test waits for two further heartbeats of
        // `other`:
        // - If another `due` arrives meanwhile, the storage is of this kind.
        // - Otherwise the storage has woken the connection for its own write, which is an error.
        // Late wake-ups of the first heartbeat arrive before the wake-up `nodes` of the second heartbeat.
        watcher.heard.length = 0
        await hearOfAnotherLife()
        await hearOfAnotherLife()
        if (!watcher.heard.includes('due')) isItsOwn = true
      }
      watcher.end()
      assert.ok(!isItsOwn, `the connection that created an occurrence heard 'due', and not without that`)
    },
  },
  { needs: ['subscribe'] },
)

/**
 * Returns cases that compare the capabilities of the storage with the declared capabilities. If the storage reported fewer
 * capabilities, the kit would silently omit cases.
 */
export function capabilityCases(declared: DeclaredCapabilities): readonly StorageCase[] {
  return caseGroup('capabilities', {
    'match the declaration of the test file': async (world) => {
      const storage = await world.connect()
      const {
        maxBatch,
        worthwhileBatch,
        multiProcess,
        durability,
        findsDueJobs = false,
        takesNext = false,
        heartbeatMs,
      } = storage.capabilities
      assert.equal(storage.specVersion, 1)
      assert.ok(Number.isInteger(maxBatch) && maxBatch >= 1, `maxBatch is ${maxBatch}`)
      assert.ok(
        worthwhileBatch === undefined || (worthwhileBatch >= 1 && worthwhileBatch <= maxBatch),
        `worthwhileBatch is ${worthwhileBatch}`,
      )
      assert.ok(heartbeatMs === undefined || heartbeatMs > 0, `heartbeatMs is ${heartbeatMs}`)
      assert.deepEqual(
        {
          multiProcess,
          durability,
          findsDueJobs,
          takesNext,
          serverTime: storage.serverTime !== undefined,
          subscribe: storage.subscribe !== undefined,
          within: storage.within !== undefined,
        },
        {
          multiProcess: declared.multiProcess ?? false,
          durability: declared.durability ?? 'none',
          findsDueJobs: declared.findsDueJobs ?? false,
          takesNext: declared.takesNext ?? false,
          serverTime: declared.serverTime ?? false,
          subscribe: declared.subscribe ?? false,
          within: declared.within ?? false,
        },
        'pass the storage’s capabilities as `capabilities`, so that the cases they call for are run',
      )
      if (multiProcess) {
        assert.ok(world.processes !== undefined, 'a storage for several processes needs `processes` in its world')
      }
      if (declared.server === true) {
        assert.ok(world.server !== undefined, 'a test file that declares `server` needs `server` in its world')
      }
      if (storage.within !== undefined) {
        assert.ok(world.beginTransaction !== undefined, 'a storage with `within` needs `beginTransaction` in its world')
      }
    },
  })
}
