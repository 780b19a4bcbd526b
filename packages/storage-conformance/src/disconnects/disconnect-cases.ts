import assert from 'node:assert/strict'
import { JobistemerError, jobId, systemClock } from '@jobistemer/core'
import type { OccurrenceAddress } from '@jobistemer/core/storage'
import { assertLedger } from '../ledger/check-ledger.ts'
import { slotItem } from '../stage/create-items.ts'
import { expectOne, expectOutcome } from '../stage/expect.ts'
import { beat, nodeRecord, readNodes, readProfile } from '../stage/heartbeats.ts'
import { slotAt } from '../stage/instants.ts'
import { jobContent } from '../stage/job-content.ts'
import { succeeded } from '../stage/task-runs.ts'
import { TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import type { CaseWorld } from '../storage-world.ts'
import { startCuttingProxy } from './cutting-proxy.ts'

/**
 * One tested call. `send` makes the call on a connection that the proxy breaks. After the answer to the call, `check` checks
 * the stored data.
 */
interface Trial<Answer> {
  send(node: TestNode): Promise<Answer>
  /** `answer`: the answer to the last `send`. `wasRejected`: an earlier `send` was rejected, but may have taken effect. */
  check(answer: Answer, wasRejected: boolean): Promise<void>
}

/** A limit above the number of messages that any call sends. */
const mostMessages = 80
/** Maximum number of times that a rejected call is sent. `pauseMs` is the time in ms before each repetition. */
const tries = 20
const pauseMs = 25

/**
 * Makes calls one after the other, numbered from 1. The proxy breaks the connection of call n at the n-th message of this call.
 * Ends when a call is answered before its n-th message.
 */
async function breakEverywhere<Answer>(
  world: CaseWorld,
  prepare: (direct: TestNode, name: string) => Promise<Trial<Answer>>,
): Promise<void> {
  const { server } = world
  assert.ok(server !== undefined, 'the world has no `server`')
  // Both connections belong to `node-a`, so each may end occurrences that the other has started.
  const direct = await TestNode.connect(world, 'node-a')
  const proxy = await startCuttingProxy(server)
  try {
    for (const side of ['request', 'answer'] as const) {
      const node = new TestNode(await server.connect(proxy.address), 'node-a')
      for (let message = 1, isOver = false; !isOver; message++) {
        assert.ok(message <= mostMessages, `one call sends more than ${mostMessages} messages`)
        const trial = await prepare(direct, `${side}-${message}`)
        // Makes a first call, which opens the connection. So the break hits a message of the tested call, and no message that
        // opens the connection.
        await repeated(() => node.storage.listJobs({ limit: 1, cursor: null }))
        try {
          proxy.cutAt(message, side)
          const { answer, wasRejected } = await repeated(() => trial.send(node))
          isOver = !proxy.stop()
          await trial.check(answer, wasRejected)
          await assertLedger(direct.storage)
        } catch (error) {
          const place = side === 'request' ? `before message ${message}` : `after message ${message}`
          if (error instanceof Error) error.message = `the connection broke ${place} of the call: ${error.message}`
          throw error
        }
      }
    }
  } finally {
    await proxy.close()
  }
}

/** Repeats a rejected call until it is answered, as the engine does. */
async function repeated<Answer>(
  send: () => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly wasRejected: boolean }> {
  for (let attempt = 1; ; attempt++) {
    try {
      return { answer: await send(), wasRejected: attempt > 1 }
    } catch (error) {
      assert.ok(
        JobistemerError.isInstance(error) && error.code.startsWith('STORAGE_'),
        `it was rejected with ${String(error)}, and not with a JobistemerError of a STORAGE_ code`,
      )
      assert.ok(attempt < tries, `it was still rejected at try ${attempt}, with ${error.message}`)
      await new Promise<void>((resolve) => systemClock.setTimer(pauseMs, resolve))
    }
  }
}

async function statesOf(node: TestNode, occurrences: readonly Pick<OccurrenceAddress, 'id'>[]): Promise<string[]> {
  return await Promise.all(occurrences.map((one) => node.stateOf(one)))
}

/** Creates a job whose first slot runs on this node, and whose second slot is queued. */
async function busyJob(node: TestNode, name: string) {
  const job = await node.createJob({ name, policy: 'queue' })
  const held = await node.startSlot(job, 1)
  return { job, held, queued: await node.addSlot(job, 2, 'queued') }
}

const completed = { kind: 'finish', state: 'completed', reason: null } as const

export const disconnectCases: readonly StorageCase[] = caseGroup(
  'disconnects',
  {
    'a slot is created and started once, wherever the connection breaks': async (world) => {
      await breakEverywhere(world, async (direct, name) => {
        const job = await direct.createJob({ name })
        const item = slotItem(job, 1, { run: true })
        return {
          send: (node) => node.create(item),
          async check(answer) {
            assert.ok(answer.outcome === 'created' || answer.outcome === 'exists', `answered '${answer.outcome}'`)
            assert.deepEqual([answer.state, answer.token], ['running', 1])
            const { owner } = await direct.record(item)
            assert.deepEqual(owner, direct.owner)
            assert.deepEqual(await direct.counts(job.id), { pending: 0, queued: 0, running: 1 })
          },
        }
      })
    },

    'an end wakes the queued occurrence once, wherever the connection breaks': async (world) => {
      await breakEverywhere(world, async (direct, name) => {
        const { job, held, queued } = await busyJob(direct, name)
        return {
          send: (node) => node.settle(held, completed),
          async check(answer) {
            expectOutcome(answer, 'ok')
            assert.deepEqual(await statesOf(direct, [held, queued]), ['completed', 'pending'])
            assert.deepEqual(await direct.counts(job.id), { pending: 1, queued: 0, running: 0 })
          },
        }
      })
    },

    'a node learns of each occurrence that a claim has started for it, wherever the connection breaks': async (
      world,
    ) => {
      await breakEverywhere(world, async (direct, name) => {
        const job = await direct.createJob({ name })
        const pending = await direct.addSlot(job, 1, 'pending')
        return {
          send: (node) => node.claim(slotAt(1)),
          async check({ claimed }, wasRejected) {
            const { state, owner, token } = await direct.record(pending)
            assert.deepEqual([state, owner, token], ['running', direct.owner, 1])
            const isTold = claimed.some(({ id }) => id === pending.id)
            assert.ok(
              isTold || wasRejected,
              'the claim started an occurrence, was sent once more by the adapter, and answered that it took nothing',
            )
            await direct.finish({ ...pending, token })
          },
        }
      })
    },

    'a forced cancellation frees the job once, wherever the connection breaks': async (world) => {
      await breakEverywhere(world, async (direct, name) => {
        const { held, queued } = await busyJob(direct, name)
        return {
          send: (node) => node.cancel(held, { mode: 'force' }),
          async check(answer) {
            assert.ok(answer.outcome === 'canceled' || answer.outcome === 'final', `answered '${answer.outcome}'`)
            assert.deepEqual(await statesOf(direct, [held, queued]), ['canceled', 'pending'])
          },
        }
      })
    },

    'a job is replaced once, wherever the connection breaks': async (world) => {
      await breakEverywhere(world, async (direct, name) => {
        const { id, watermark } = await direct.createJob({ name })
        const content = jobContent({ name, fingerprint: 'print-2' })
        const expected = { expectedVersion: 1, expectedWatermark: watermark, waiting: 'keep' } as const
        return {
          send: (node) => node.saveJob({ kind: 'replace', id, content, ...expected }),
          async check(answer) {
            assert.ok(answer.outcome === 'saved' || answer.outcome === 'unchanged', `answered '${answer.outcome}'`)
            const { version, lineage } = await direct.head(id)
            assert.deepEqual([version, lineage], [2, ['print-1']])
            const { versions } = await direct.storage.get({ versions: [{ jobId: id, version: 2 }] })
            assert.equal(expectOne(versions)?.fingerprint, 'print-2')
          },
        }
      })
    },

    'a job is created once, wherever the connection breaks': async (world) => {
      await breakEverywhere(world, async (direct, name) => {
        const id = jobId(name)
        return {
          send: (node) => node.saveJob({ kind: 'create', id, content: jobContent({ name }) }),
          async check(answer) {
            assert.ok(answer.outcome === 'saved' || answer.outcome === 'exists', `answered '${answer.outcome}'`)
            assert.equal((await direct.head(id)).version, 1)
            const { versions } = await direct.storage.get({ versions: [{ jobId: id, version: 1 }] })
            assert.equal(expectOne(versions)?.fingerprint, 'print-1')
          },
        }
      })
    },

    'history is removed with the prune floor raised, wherever the connection breaks': async (world) => {
      await breakEverywhere(world, async (direct, name) => {
        const job = await direct.createJob({ name, policy: 'allow' })
        for (const index of [1, 2]) await direct.finish(await direct.startSlot(job, index))
        return {
          send: (node) => node.prune({ before: slotAt(3), jobId: job.id }),
          async check() {
            assert.deepEqual(await direct.history(job.id), [])
            assert.equal((await direct.head(job.id)).pruneFloor, slotAt(2))
            for (const index of [1, 2]) expectOutcome(await direct.create(slotItem(job, index)), 'pruned')
          },
        }
      })
    },

    'a heartbeat stores the record of a node with its profile, wherever the connection breaks': async (world) => {
      await breakEverywhere(world, async (direct, name) => {
        const own = nodeRecord(name, 1)
        return {
          send: (node) => beat(node.storage, own, { profile: { can: name } }),
          async check() {
            const stored = (await readNodes(direct.storage)).find(({ incarnation }) => incarnation === name)
            assert.deepEqual([stored, await readProfile(direct.storage, name)], [own, { can: name }])
          },
        }
      })
    },
  },
  { depth: 'disconnects', needs: ['server'], timeoutMs: 120_000 },
).concat(
  caseGroup(
    'disconnects',
    {
      'a node learns of the occurrence that an end has taken for it, wherever the connection breaks': async (world) => {
        await breakEverywhere(world, async (direct, name) => {
          const { job, held, queued } = await busyJob(direct, name)
          const { id, jobId: ofJob, scheduledAt, token } = held
          const runs = succeeded(slotAt(1), slotAt(2))
          const address = { id, jobId: ofJob, scheduledAt, token, sequence: 1 }
          const item = { ...address, runs, change: completed, takeNext: direct.owner }
          return {
            send: async (node) => expectOne(await node.storage.settle({ now: slotAt(2), items: [item] })),
            async check(answer) {
              const { taken, repeated: isRepeated } = expectOutcome(answer, 'ok')
              const next = await direct.record(queued)
              assert.deepEqual([next.state, next.owner, next.token], ['running', direct.owner, 1])
              assert.ok(
                taken?.id === queued.id || isRepeated === true,
                'the end took an occurrence, and its answer neither contains the taken occurrence nor has `repeated`',
              )
              assert.deepEqual(await direct.counts(job.id), { pending: 0, queued: 0, running: 1 })
            },
          }
        })
      },
    },
    { depth: 'disconnects', needs: ['server', 'takesNext'], timeoutMs: 120_000 },
  ),
)
