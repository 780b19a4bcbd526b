import assert from 'node:assert/strict'
import { jobId } from '@jobistemer/core'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import { expectOne, expectOutcome, itemAt } from '../stage/expect.ts'
import { slotItem } from '../stage/create-items.ts'
import { minute, slotAt, start } from '../stage/instants.ts'
import { jobContent } from '../stage/job-content.ts'
import { succeeded } from '../stage/task-runs.ts'
import { TestNode } from '../stage/test-node.ts'

export const jobCases: readonly StorageCase[] = caseGroup('jobs', {
  'a created job is stored whole, as version 1 with its watermark at now': async (world) => {
    const node = await TestNode.connect(world)
    const id = jobId('alpha')
    const content = jobContent({ policy: 'queue', maxQueued: 3, owner: 'team', handlerKey: 'key' })
    const answer = expectOutcome(await node.saveJob({ kind: 'create', id, content }, start + 5), 'saved')
    const expected = {
      ...content,
      id,
      version: 1,
      lineage: [],
      watermark: start + 5,
      pruneFloor: null,
      paused: null,
      cancelsBelow: null,
      createdAt: start + 5,
      changedAt: start + 5,
      deletedAt: null,
    }
    assert.deepEqual(answer.job, expected)
    assert.deepEqual(answer.canceled, [])
    assert.deepEqual(await node.head(id), expected)
  },

  'creating a job that is there answers exists and changes nothing': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const content = jobContent({ policy: 'allow', fingerprint: 'other' })
    const answer = await node.saveJob({ kind: 'create', id: job.id, content }, start + minute)
    assert.deepEqual(expectOutcome(answer, 'exists').job, job)
    assert.deepEqual(await node.head(job.id), job)
  },

  'a replace puts the new content in force as the next version and keeps the course of the job': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.startSlot(job, 1)
    const content = jobContent({ policy: 'allow', fingerprint: 'print-2', nextAt: slotAt(2) + 7 })
    const answer = await node.saveJob(
      { kind: 'replace', id: job.id, content, expectedVersion: 1, expectedWatermark: slotAt(1), waiting: 'keep' },
      slotAt(1) + 9,
    )
    const expected = {
      ...job,
      ...content,
      version: 2,
      lineage: ['print-1'],
      watermark: slotAt(1),
      changedAt: slotAt(1) + 9,
    }
    assert.deepEqual(expectOutcome(answer, 'saved').job, expected)
    assert.deepEqual(await node.head(job.id), expected)
  },

  'a replace that expects another version answers conflict and changes nothing': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const content = jobContent({ fingerprint: 'print-2' })
    for (const expectedVersion of [2, 7]) {
      const answer = await node.saveJob({
        kind: 'replace',
        id: job.id,
        content,
        expectedVersion,
        expectedWatermark: job.watermark,
        waiting: 'keep',
      })
      assert.deepEqual(expectOutcome(answer, 'conflict').job, job)
    }
    assert.deepEqual(await node.head(job.id), job)
  },

  'a replace that expects another watermark answers conflict and changes nothing': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    await node.startSlot(job, 1)
    const before = await node.head(job.id)
    const answer = await node.saveJob({
      kind: 'replace',
      id: job.id,
      content: jobContent({ fingerprint: 'print-2' }),
      expectedVersion: 1,
      expectedWatermark: job.watermark,
      waiting: 'cancel',
    })
    assert.deepEqual(expectOutcome(answer, 'conflict').job, before)
    assert.deepEqual(await node.head(job.id), before)
  },

  'a repeated replace answers unchanged and makes no second version': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const change = {
      kind: 'replace',
      id: job.id,
      content: jobContent({ fingerprint: 'print-2' }),
      expectedVersion: 1,
      expectedWatermark: job.watermark,
      waiting: 'keep',
    } as const
    const first = expectOutcome(await node.saveJob(change, start + 1), 'saved')
    const second = expectOutcome(await node.saveJob(change, start + 2), 'unchanged')
    assert.deepEqual(second.job, first.job)
    assert.deepEqual(await node.head(job.id), first.job)
  },

  'a replace of a job that is not there answers absent': async (world) => {
    const node = await TestNode.connect(world)
    const id = jobId('alpha')
    const answer = await node.saveJob({
      kind: 'replace',
      id,
      content: jobContent(),
      expectedVersion: 1,
      expectedWatermark: start,
      waiting: 'keep',
    })
    expectOutcome(answer, 'absent')
    assert.equal(await node.findHead(id), null)
  },

  'a replace that sets the watermark back keeps all records, and each slot is passed again without a second one':
    async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'allow' })
      for (const index of [1, 2, 3, 4]) await node.finish(await node.startSlot(job, index))
      await node.prune({ before: slotAt(1) + 1 })
      const before = await node.head(job.id)
      const content = jobContent({ policy: 'allow', nextAt: slotAt(3) })
      const change = {
        kind: 'replace',
        id: job.id,
        content,
        expectedVersion: 1,
        expectedWatermark: slotAt(4),
        waiting: 'keep',
        setBackTo: slotAt(2) + 9,
      } as const
      const answer = expectOutcome(await node.saveJob(change, slotAt(2) + 9), 'saved')
      const expected = {
        ...before,
        version: 2,
        lineage: ['print-1'],
        watermark: slotAt(2) + 9,
        nextAt: slotAt(3),
        changedAt: slotAt(2) + 9,
      }
      assert.deepEqual(answer.job, expected)
      assert.deepEqual(await node.head(job.id), expected)
      assert.equal(expected.pruneFloor, slotAt(1))
      expectOutcome(await node.saveJob(change, slotAt(2) + 10), 'unchanged')
      const history = await node.history(job.id)
      expectOutcome(await node.create(slotItem(answer.job, 3), slotAt(3)), 'exists')
      expectOutcome(await node.create(slotItem(answer.job, 4), slotAt(4)), 'exists')
      assert.deepEqual(await node.history(job.id), history)
      const head = await node.head(job.id)
      assert.deepEqual([head.watermark, head.nextAt], [slotAt(4), slotAt(5)])
      await node.startSlot(answer.job, 5)
    },

  'a replace that would set the watermark ahead, or the next slot to what was pruned, answers conflict': async (
    world,
  ) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    for (const index of [1, 2, 3, 4]) await node.finish(await node.startSlot(job, index))
    await node.prune({ before: slotAt(2) + 1 })
    const before = await node.head(job.id)
    const refused = [
      { setBackTo: slotAt(4), nextAt: slotAt(5) },
      { setBackTo: slotAt(6), nextAt: slotAt(7) },
      { setBackTo: slotAt(1), nextAt: slotAt(2) },
      { setBackTo: slotAt(3), nextAt: slotAt(3) },
    ]
    for (const to of refused) {
      assert.deepEqual(expectOutcome(await node.setBack(job.id, to), 'conflict').job, before)
    }
    assert.deepEqual(await node.head(job.id), before)
  },

  'a replace whose next slot was pruned meanwhile answers conflict': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'allow' })
    const at = slotAt(1) - 5
    const { id } = await node.addTrigger(job, 'by-hand', at, 'running', { run: true })
    await node.finish({ id, jobId: job.id, scheduledAt: at, token: 1 })
    await node.prune({ before: at + 1 })
    const before = await node.head(job.id)
    assert.equal(before.pruneFloor, at)
    for (const nextAt of [at - 1, at]) {
      assert.deepEqual(expectOutcome(await node.replaceJob(job.id, { nextAt }), 'conflict').job, before)
    }
    const { job: after } = expectOutcome(await node.replaceJob(job.id, { nextAt: at + 1 }), 'saved')
    assert.deepEqual([after.nextAt, after.pruneFloor], [at + 1, at])
  },

  'the lineage keeps the 32 latest earlier fingerprints, newest first': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ fingerprint: 'print-1' })
    for (let version = 2; version <= 36; version++) {
      expectOutcome(await node.replaceJob(job.id, { fingerprint: `print-${version}` }), 'saved')
    }
    const head = await node.head(job.id)
    assert.equal(head.version, 36)
    assert.deepEqual(
      head.lineage,
      Array.from({ length: 32 }, (_, index) => `print-${35 - index}`),
    )
  },

  'each version that is in use can be read back': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ definition: { note: 'first' } }, start + 1)
    await node.startSlot(job, 1)
    await node.replaceJob(job.id, { fingerprint: 'print-2', definition: { note: 'second' } }, 'keep', start + 2)
    const { versions } = await node.storage.get({
      versions: [2, 1, 3].map((version) => ({ jobId: job.id, version })),
    })
    assert.deepEqual(versions, [
      { jobId: job.id, version: 2, fingerprint: 'print-2', definition: { note: 'second' }, createdAt: start + 2 },
      { jobId: job.id, version: 1, fingerprint: 'print-1', definition: { note: 'first' }, createdAt: start + 1 },
      null,
    ])
  },

  'a running occurrence keeps the version that it started with, and can end': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob()
    const held = await node.startSlot(job, 1)
    expectOutcome(await node.replaceJob(job.id, { fingerprint: 'print-2' }, 'cancel'), 'saved')
    assert.equal((await node.record(held)).jobVersion, 1)
    await node.finish(held)
    assert.equal((await node.record(held)).jobVersion, 1)
    assert.equal(await node.stateOf(held), 'completed')
  },

  'a replace with waiting keep leaves waiting occurrences unchanged': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const pending = await node.addSlot(job, 1, 'pending')
    const queued = await node.addSlot(job, 2, 'queued')
    const answer = expectOutcome(await node.replaceJob(job.id, { policy: 'queue' }, 'keep'), 'saved')
    assert.deepEqual(answer.canceled, [])
    assert.equal(await node.stateOf(pending), 'pending')
    assert.equal(await node.stateOf(queued), 'queued')
    assert.equal((await node.claimOne(slotAt(2))).jobVersion, 1)
  },

  'a replace with waiting cancel cancels waiting slots as updated and leaves the running one': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    const trigger = await node.addTrigger(job, 'by-hand', slotAt(2) + 1, 'queued')
    const now = slotAt(3) - 1
    const answer = expectOutcome(await node.replaceJob(job.id, { policy: 'queue' }, 'cancel', now), 'saved')
    assert.deepEqual(answer.canceled, [{ id: queued.id, jobId: job.id, scheduledAt: queued.scheduledAt }])
    const canceled = await node.record(queued)
    assert.deepEqual([canceled.state, canceled.reason, canceled.finishedAt], ['canceled', 'updated', now])
    assert.equal(await node.stateOf(held), 'running')
    assert.equal(await node.stateOf(trigger), 'queued')
  },

  'a replace that cancels the active one wakes a trigger that is queued behind it': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const pending = await node.addSlot(job, 1, 'pending')
    const queued = await node.addSlot(job, 2, 'queued')
    const trigger = await node.addTrigger(job, 'by-hand', slotAt(2) + 1, 'queued')
    const answer = expectOutcome(await node.replaceJob(job.id, { policy: 'queue' }, 'cancel'), 'saved')
    assert.deepEqual(answer.canceled.map((address) => address.id).sort(), [pending.id, queued.id].sort())
    assert.equal(await node.stateOf(pending), 'canceled')
    assert.equal(await node.stateOf(queued), 'canceled')
    assert.equal(await node.stateOf(trigger), 'pending')
    assert.equal((await node.claimOne(slotAt(3))).id, trigger.id)
  },

  'a replace that lets occurrences overlap wakes all that are queued, in the same step': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    const held = await node.startSlot(job, 1)
    const second = await node.addSlot(job, 2, 'queued')
    const third = await node.addSlot(job, 3, 'queued')
    const trigger = await node.addTrigger(job, 'by-hand', slotAt(3) + 1, 'queued')
    const answer = expectOutcome(await node.replaceJob(job.id, { policy: 'allow' }, 'keep', slotAt(4)), 'saved')
    assert.deepEqual(answer.canceled, [])
    for (const woken of [second, third, trigger]) {
      const { state, token, jobVersion, finishedAt } = await node.record(woken)
      assert.deepEqual([state, token, jobVersion, finishedAt], ['pending', 0, 1, null])
    }
    assert.equal(await node.stateOf(held), 'running')
    const { claimed } = await node.claim(slotAt(4))
    assert.deepEqual(
      claimed.map(({ id }) => id),
      [second.id, third.id, trigger.id],
    )
  },

  'a replace that lets occurrences overlap and cancels waiting slots wakes the triggers that stay': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    await node.startSlot(job, 1)
    const slot = await node.addSlot(job, 2, 'queued')
    const triggers = [
      await node.addTrigger(job, 'one', slotAt(2) + 1, 'queued'),
      await node.addTrigger(job, 'two', slotAt(2) + 2, 'queued'),
    ]
    const answer = expectOutcome(await node.replaceJob(job.id, { policy: 'allow' }, 'cancel', slotAt(3)), 'saved')
    assert.deepEqual(
      answer.canceled.map(({ id }) => id),
      [slot.id],
    )
    for (const trigger of triggers) assert.equal(await node.stateOf(trigger), 'pending')
  },

  'what a replace wakes in a paused job waits until the job is resumed': async (world) => {
    const node = await TestNode.connect(world)
    const job = await node.createJob({ policy: 'queue' })
    await node.startSlot(job, 1)
    const queued = await node.addSlot(job, 2, 'queued')
    await node.pause(job.id, slotAt(2))
    await node.replaceJob(job.id, { policy: 'allow' }, 'keep', slotAt(2))
    assert.equal(await node.stateOf(queued), 'pending')
    assert.deepEqual((await node.claim(slotAt(3))).claimed, [])
    await node.resume(job.id, slotAt(3))
    assert.equal((await node.claimOne(slotAt(3))).id, queued.id)
  },

  'the changes of one call take effect in their order, and a refused one does not touch its neighbours': async (
    world,
  ) => {
    const node = await TestNode.connect(world)
    const alpha = jobId('alpha')
    const beta = jobId('beta')
    const replace = { kind: 'replace', id: alpha, expectedWatermark: start, waiting: 'keep' } as const
    const answers = await node.saveJobs([
      { kind: 'create', id: alpha, content: jobContent() },
      { ...replace, content: jobContent({ fingerprint: 'print-9' }), expectedVersion: 9 },
      { ...replace, content: jobContent({ fingerprint: 'print-2' }), expectedVersion: 1 },
      { kind: 'pause', id: beta, paused: null },
      { kind: 'create', id: beta, content: jobContent({ name: 'beta' }) },
      { kind: 'create', id: alpha, content: jobContent() },
      { kind: 'delete', id: beta, expectedVersion: 1 },
    ])
    assert.deepEqual(
      answers.map((answer) => answer.outcome),
      ['saved', 'conflict', 'saved', 'absent', 'saved', 'exists', 'saved'],
    )
    assert.equal((await node.head(alpha)).fingerprint, 'print-2')
    assert.equal((await node.head(beta)).deletedAt, start)
  },

  'a definition comes back exactly as it was stored': async (world) => {
    const node = await TestNode.connect(world)
    const definition = {
      text: 'naïve 日本語 🦊 \u0000 \u2028 "quoted" \\ \n end',
      numbers: [0, -1, 0.1, 1e21, 1.7976931348623157e308, 9007199254740991, -9007199254740991],
      nothing: null,
      '': { '': [[], {}, [null]] },
      constructor: 'a word like any other',
      'key with . and $ and /': true,
      long: 'x'.repeat(50_000),
    }
    const job = await node.createJob({ definition })
    assert.deepEqual((await node.head(job.id)).definition, definition)
    const { versions } = await node.storage.get({ versions: [{ jobId: job.id, version: 1 }] })
    assert.deepEqual(expectOne(versions)?.definition, definition)
  },

  'JSON keeps the order of its members: definitions, schedules, data and results': async (world) => {
    const node = await TestNode.connect(world)
    const unsorted = { zeta: 1, alpha: { two: 2, one: [{ y: 0, x: 0 }] }, Beta: null, '': true }
    const text = JSON.stringify(unsorted)
    const timeline = [{ after: null, until: null, schedule: { type: 'every', minutes: 1, anchor: unsorted } }]
    const content = { ...jobContent({ definition: unsorted }), timeline }
    const { job } = expectOutcome(await node.saveJob({ kind: 'create', id: jobId('alpha'), content }), 'saved')
    for (const head of [job, await node.head(job.id)]) {
      assert.equal(JSON.stringify(head.definition), text)
      assert.equal(JSON.stringify(head.timeline[0]?.schedule), JSON.stringify(timeline[0]?.schedule))
    }
    const { versions } = await node.storage.get({ versions: [{ jobId: job.id, version: 1 }] })
    assert.equal(JSON.stringify(expectOne(versions)?.definition), text)
    await node.addSlot(job, 1, 'pending', { details: { data: unsorted } })
    const claimed = await node.claimOne(slotAt(1))
    const runs = succeeded(slotAt(1), slotAt(1), unsorted)
    expectOutcome(await node.settle(claimed, { kind: 'progress' }, { runs }), 'ok')
    const stored = await node.record(claimed)
    for (const { details } of [claimed, stored, ...(await node.history(job.id))]) {
      assert.equal(JSON.stringify(details.data), text)
    }
    assert.equal(JSON.stringify(stored.runs[0]?.result), text)
  },

  'a name of 255 characters outside the Latin alphabet is kept': async (world) => {
    const node = await TestNode.connect(world)
    const name = '時'.repeat(255)
    const job = await node.createJob({ name, handlerKey: name, owner: name })
    const head = await node.head(job.id)
    assert.deepEqual([head.name, head.handlerKey, head.owner], [name, name, name])
  },

  'a timeline of several segments comes back exactly as it was stored': async (world) => {
    const node = await TestNode.connect(world)
    const timeline = [
      { after: null, until: slotAt(10), schedule: { type: 'every', minutes: 1 } },
      { after: slotAt(10), until: null, schedule: { type: 'every', minutes: 5, anchor: { at: slotAt(10) } } },
    ]
    const id = jobId('alpha')
    await node.saveJob({ kind: 'create', id, content: { ...jobContent(), timeline } })
    assert.deepEqual((await node.head(id)).timeline, timeline)
  },

  'jobs do not share anything': async (world) => {
    const node = await TestNode.connect(world)
    const alpha = await node.createJob()
    const beta = await node.createJob({ name: 'beta' })
    const held = await node.startSlot(alpha, 1)
    await node.startSlot(beta, 1)
    await node.pause(beta.id)
    await node.deleteJob(beta.id)
    assert.equal((await node.head(alpha.id)).deletedAt, null)
    assert.equal((await node.head(alpha.id)).paused, null)
    await node.finish(held)
    assert.equal(itemAt(await node.history(beta.id), 0).state, 'running')
  },
})
