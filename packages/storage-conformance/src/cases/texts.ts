import assert from 'node:assert/strict'
import { jobId } from '@jobistemer/core'
import { readPages } from '../ledger/read-ledger.ts'
import { exclusionItem, missedEntry, recoveryItem, requestItem } from '../stage/create-items.ts'
import { expectOne, expectOutcome } from '../stage/expect.ts'
import { beat, nodeRecord } from '../stage/heartbeats.ts'
import { slotAt, start } from '../stage/instants.ts'
import { jobContent } from '../stage/job-content.ts'
import { TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'

const long = 'x'.repeat(254)

/** Pairs of different texts that some storages treat as equal. */
const unequal: Readonly<Record<string, readonly [string, string]>> = {
  'in the last of 255 characters': [`${long}a`, `${long}b`],
  'in case': ['team', 'Team'],
  'in a trailing space': ['team', 'team '],
  'in a combining character': ['caf\u00e9', 'cafe\u0301'],
  'in an accent': ['cafe', 'caf\u00e9'],
  'in a character that is not seen': ['team', 'te\u200bam'],
  'in a NUL': ['team', 'team\u0000'],
  'in what follows a NUL': ['a\u0000b', 'a\u0000c'],
}

/**
 * Returns a case that calls `prepare` and then `check` for each pair of texts, each time in a new test database. `check` runs
 * twice on the prepared data, and the second time with the texts exchanged.
 */
function forEachPair(
  what: string,
  prepare: (node: TestNode, texts: readonly string[]) => Promise<void>,
  check: (node: TestNode, text: string, other: string) => Promise<void>,
): Readonly<Record<string, StorageCase['run']>> {
  return {
    [what]: async (world) => {
      for (const [difference, [left, right]] of Object.entries(unequal)) {
        const node = await TestNode.connect(await world.another())
        try {
          await prepare(node, [left, right])
          await check(node, left, right)
          await check(node, right, left)
        } catch (error) {
          if (error instanceof Error) error.message = `texts that differ ${difference}: ${error.message}`
          throw error
        }
      }
    },
  }
}

/** Returns the four nodes of a pair of texts: two that differ in their names, and two that differ in their incarnations. */
function nodesNamed({ storage }: TestNode, texts: readonly string[]): readonly TestNode[] {
  return [
    ...texts.map((name) => new TestNode(storage, name, 'life')),
    ...texts.map((incarnation) => new TestNode(storage, 'node', incarnation)),
  ]
}

/**
 * Returns cases that store texts with this character: at the beginning, in the middle twice, and at the end of each
 * text.
 */
function keeps(what: string, character: string): Readonly<Record<string, StorageCase['run']>> {
  const text = (name: string): string => `${character}${name}${character}${character} and on${character}`
  return {
    [`${what} is kept in every text of a job`]: async (world) => {
      const node = await TestNode.connect(world)
      const definition = {
        [text('key')]: [text('definition'), { nested: text('nested') }],
      }
      const names = {
        name: text('name'),
        owner: text('owner'),
        handlerKey: text('handler key'),
      }
      const job = await node.createJob({
        ...names,
        definition,
        fingerprint: text('fingerprint'),
      })
      await node.replaceJob(job.id, {
        ...names,
        definition,
        fingerprint: 'print-2',
      })
      const paused = {
        at: start,
        reason: text('reason'),
        actor: text('actor'),
      }
      await node.saveJob({ kind: 'pause', id: job.id, paused })
      const head = await node.head(job.id)
      assert.deepEqual(
        {
          ...head,
          ...names,
          definition,
          lineage: [text('fingerprint')],
          paused,
        },
        head,
      )
      const { versions } = await node.storage.get({
        versions: [{ jobId: job.id, version: 1 }],
      })
      const version = expectOne(versions)
      assert.deepEqual([version?.definition, version?.fingerprint], [definition, text('fingerprint')])
      const { items } = await node.storage.listJobs({
        owner: names.owner,
        limit: 9,
        cursor: null,
      })
      assert.deepEqual(items, [head])
    },

    [`${what} is kept in every text of an occurrence`]: async (world) => {
      const node = new TestNode(await world.connect(), text('node'), text('incarnation'))
      const job = await node.createJob({ policy: 'allow' })
      const details = {
        requestKey: text('key'),
        data: { [text('member')]: text('data') },
      }
      const error = {
        name: text('name'),
        message: text('message'),
        code: text('code'),
        stack: text('stack'),
      }
      const runs = [
        {
          task: text('task'),
          state: 'failed',
          attempts: [
            {
              number: 1,
              state: 'failed',
              startedAt: 1,
              endedAt: 2,
              error,
              reason: text('attempt'),
            },
          ],
          result: { [text('member')]: text('result') },
          reason: text('run'),
        },
      ] as const
      const trigger = requestItem(job, 'by-hand', slotAt(1), { details, runs })
      expectOutcome(await node.create(trigger), 'created')
      const held = { ...trigger, token: 1 }
      const asked = { reason: text('why'), actor: text('who') }
      await node.cancel(held, asked)
      assert.equal((await node.claim(slotAt(1))).cancelRequested[0]?.reason, asked.reason)
      const ended = await node.settle(held, { kind: 'finish', state: 'failed', reason: text('end') }, { runs })
      assert.deepEqual(ended, {
        outcome: 'ok',
        woken: null,
        cancelRequested: asked.reason,
      })
      const record = await node.record(trigger)
      const cancelRequest = { at: slotAt(1), ...asked }
      assert.deepEqual(
        {
          ...record,
          details,
          runs,
          cancelRequest,
          reason: text('end'),
          owner: node.owner,
        },
        record,
      )
      assert.deepEqual(await node.history(job.id), [record])
    },

    [`${what} is kept in the reasons of exclusions, missed slots, hand-backs, reaps and cancels`]: async (world) => {
      const node = await TestNode.connect(world)
      const job = await node.createJob({ policy: 'allow' })
      const exclusion = {
        ...exclusionItem(job, 5),
        reason: text('excluded'),
      }
      await node.create(exclusion, start)
      const missed = { ...missedEntry(job, 1, 2), reason: text('missed') }
      await node.create(recoveryItem(job, 2, { expectedWatermark: start, entries: [missed] }))
      const held = await node.startSlot(job, 3)
      await node.settle(held, {
        kind: 'release',
        dueAt: slotAt(3),
        reason: text('released'),
      })
      const reaped = await node.startSlot(job, 4)
      const { id, jobId: ofJob, scheduledAt, token } = reaped
      const item = {
        id,
        jobId: ofJob,
        scheduledAt,
        token,
        sequence: 0,
        runs: [],
        action: 'fail',
      } as const
      await node.storage.reap({
        now: slotAt(5),
        items: [{ ...item, reason: text('reaped') }],
      })
      const canceled = await node.addTrigger(job, 'x', slotAt(6), 'pending')
      await node.cancel(canceled, { reason: text('canceled') })
      assert.deepEqual(
        (await node.history(job.id)).map(({ reason }) => reason),
        ['missed', 'released', 'reaped', 'excluded', 'canceled'].map(text),
      )
    },

    [`${what} is kept in every text of a node`]: async (world) => {
      const storage = await world.connect()
      const about = { [text('member')]: text('about') }
      const own = nodeRecord(text('incarnation'), 1, {
        node: text('node'),
        about,
      })
      const profile = { [text('handler')]: [text('profile')] }
      const answer = await beat(storage, own, {
        profile,
        profilesOf: [own.incarnation],
      })
      assert.deepEqual(answer, { nodes: [own], profiles: [profile] })
      const remove = [{ incarnation: own.incarnation, counter: 1 }]
      assert.deepEqual((await beat(storage, null, { remove })).nodes, [])
    },
  }
}

export const textCases: readonly StorageCase[] = caseGroup(
  'texts',
  {
    ...forEachPair(
      'jobs are not mixed up whose names are nearly equal',
      async (node, texts) => {
        for (const text of texts) await node.createJob({ name: text, owner: text })
      },
      async (node, text) => {
        const head = await node.head(jobId(text))
        assert.deepEqual([head.name, head.owner], [text, text])
      },
    ),

    ...forEachPair(
      'the list of an owner holds no job of another that is nearly equal',
      async (node, texts) => {
        for (const owner of texts) await node.createJob({ name: `of ${jobId(owner)}`, owner })
      },
      async (node, text) => {
        const jobs = await readPages((cursor) => node.storage.listJobs({ owner: text, limit: 9, cursor }))
        assert.deepEqual(
          jobs.map(({ owner }) => owner),
          [text],
        )
      },
    ),

    ...forEachPair(
      'a handler key is not left out of a claim for another that is nearly equal',
      async (node, texts) => {
        for (const handlerKey of texts) {
          const job = await node.createJob({ name: jobId(handlerKey), handlerKey, policy: 'allow' })
          await node.addSlot(job, 1, 'pending')
        }
      },
      async (node, text, other) => {
        const { claimed } = await node.claim(slotAt(2), { exceptHandlerKeys: [other] })
        const head = await node.head(expectOne(claimed).jobId)
        assert.equal(head.handlerKey, text)
        // The second check excludes this job, so one of its occurrences must be pending again.
        await node.addSlot(head, 2, 'pending')
      },
    ),

    ...forEachPair(
      'a node is not told of what runs on another that is nearly equal',
      async (first, texts) => {
        const job = await first.createJob({ policy: 'allow' })
        for (const [index, node] of nodesNamed(first, texts).entries())
          await node.cancel(await node.startSlot(job, index + 1))
        for (const node of nodesNamed(first, texts)) {
          const { cancelRequested } = await node.claim(slotAt(0))
          for (const { id } of cancelRequested) assert.deepEqual((await first.record({ id })).owner, node.owner)
          assert.ok(
            cancelRequested.length > 0,
            `the claim of ${JSON.stringify(node.owner)} returned no request to cancel`,
          )
        }
      },
      async (first, text) => {
        const running = await readPages((cursor) =>
          first.storage.listOccurrences({
            kind: 'live',
            state: 'running',
            node: text,
            runs: false,
            limit: 9,
            cursor,
          }),
        )
        assert.deepEqual([...new Set(running.map(({ owner }) => owner?.node))], [text])
      },
    ),

    ...forEachPair(
      'a replace is not taken for repeated for a fingerprint that is nearly equal',
      async () => {},
      async (node, text, other) => {
        const job = await node.createJob({ name: `job / ${jobId(text)}` })
        const { watermark } = job
        expectOutcome(await node.replaceJob(job.id, { fingerprint: text }), 'saved')
        const repeated = { expectedVersion: 1, expectedWatermark: watermark, waiting: 'keep' } as const
        const change = { kind: 'replace', id: job.id, ...repeated } as const
        const contentOf = (fingerprint: string) => jobContent({ name: job.name, nextAt: job.nextAt, fingerprint })
        expectOutcome(await node.saveJob({ ...change, content: contentOf(text) }), 'unchanged')
        expectOutcome(await node.saveJob({ ...change, content: contentOf(other) }), 'conflict')
      },
    ),

    ...keeps('NUL', '\u0000'),
    ...keeps('an emoji', '\u{1f600}'),
  },
  { timeoutMs: 60_000 },
)
