import assert from 'node:assert/strict'
import { jobId, occurrenceId, systemClock } from '@jobistemer/core'
import type { JobRecord, OverlapPolicy } from '@jobistemer/core/storage'
import { type Effort, rounds } from '../effort.ts'
import { assertLedger } from '../ledger/check-ledger.ts'
import { exclusionItem, missedEntry, recoveryItem, requestItem, runEntry, slotItem } from '../stage/create-items.ts'
import { expectCreated, expectOutcome, itemAt } from '../stage/expect.ts'
import { minute, slotAt, start } from '../stage/instants.ts'
import { jobContent } from '../stage/job-content.ts'
import { reusableKey } from '../cases/reusable-keys.ts'
import { TestNode } from '../stage/test-node.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import {
  atOnce,
  connectNodes,
  connectTrio,
  countCreated,
  countOutcomes,
  expectDistinct,
  expectTold,
  followSeries,
} from './race-nodes.ts'

const nodeCount = 8

/** Returns the slots of a kit job after `after` and up to `until`: one slot per minute. */
export function everyMinute(_job: JobRecord, after: number, until: number): readonly number[] {
  const slots: number[] = []
  for (let at = Math.floor((after - start) / minute) * minute + minute + start; at <= until; at += minute)
    slots.push(at)
  return slots
}

export function connectionRaces(effort: Effort): readonly StorageCase[] {
  return caseGroup(
    'races of connections',
    {
      'each slot of a series is created by exactly one node': async (world) => {
        const nodes = await connectNodes(world, nodeCount)
        const first = itemAt(nodes, 0)
        const count = rounds(15, effort)
        const jobs: JobRecord[] = []
        for (const name of ['alpha', 'beta', 'gamma']) jobs.push(await first.createJob({ name, policy: 'allow' }))
        const created = await atOnce(nodes, async (node, index) => {
          // Each node begins with a different job, so that the nodes compete on all jobs.
          const order = jobs.map((_, offset) => itemAt(jobs, (index + offset) % jobs.length))
          return (await Promise.all(order.map((job) => followSeries(node, job, count)))).flat()
        })
        const all = created.flat()
        expectDistinct(all, 'slots', 'created')
        assert.equal(all.length, count * jobs.length, `${all.length} of ${count * jobs.length} slots were created`)
        await assertLedger(first.storage, { slots: everyMinute })
        for (const { id, name } of jobs) {
          assert.equal((await first.head(id)).watermark, slotAt(count), `the watermark of ${name} is not its last slot`)
        }
      },

      'a reader beside writers finds the occurrence of each watermark that it reads': async (world) => {
        const nodes = await connectNodes(world, 4)
        const [reader, ...writers] = nodes as [TestNode, ...TestNode[]]
        const job = await reader.createJob({ policy: 'allow' })
        const count = rounds(25, effort)
        let isWriting = true
        const writing = atOnce(writers, (node) => followSeries(node, job, count)).finally(() => {
          isWriting = false
        })
        // Prevents an unhandled rejection. The race below reports the error.
        writing.catch(() => undefined)
        const reading = (async () => {
          while (isWriting) {
            await nextTurn()
            const { watermark } = await reader.head(job.id)
            if (watermark === start) continue
            const found = await reader.find(occurrenceId(job.id, watermark))
            assert.ok(
              found !== null,
              `a reader got the watermark ${watermark}, and then no occurrence of that slot: it read what was not committed`,
            )
          }
        })()
        await Promise.all([writing, reading])
      },

      'one connection answers 25 calls at once': async (world) => {
        const node = await TestNode.connect(world)
        const jobs: JobRecord[] = []
        for (let index = 1; index <= 25; index++) {
          jobs.push(await node.createJob({ name: `job-${index}`, policy: 'queue' }))
        }
        const held = await Promise.all(jobs.map((job) => node.startSlot(job, 1)))
        await Promise.all(jobs.map((job) => node.addSlot(job, 2, 'queued')))
        const woken = await Promise.all(held.map((one) => node.finish(one)))
        assert.ok(
          woken.every((next) => next?.scheduledAt === slotAt(2)),
          'an end among 25 at once did not wake the queued occurrence of its job',
        )
        const claimed: string[] = []
        for (let round = 1; claimed.length < jobs.length; round++) {
          assert.ok(
            round <= 50,
            `a claim for each waiting occurrence, ${round} times over, took ${claimed.length} of 25 occurrences`,
          )
          const left = jobs.slice(claimed.length)
          const claims = await Promise.all(left.map(() => node.claim(slotAt(2), { limit: 1 })))
          claimed.push(...claims.flatMap((answer) => answer.claimed.map(({ id }) => id)))
        }
        expectDistinct(claimed, 'pending occurrences', 'claimed')
        await assertLedger(node.storage)
      },

      'of many requests of one reusable key exactly one creates a run, in each round': async (world) => {
        const nodes = await connectNodes(world, nodeCount)
        const first = itemAt(nodes, 0)
        for (const policy of ['allow', 'queue'] as const) {
          const job = await first.createJob({ name: `job-${policy}`, policy })
          const key = reusableKey(job, 'order', 'live')
          for (let round = 1; round <= rounds(10, effort); round++) {
            const items = nodes.map((_, index) =>
              requestItem(job, `${round}-${index}`, slotAt(round), { run: true, key }),
            )
            const answers = await atOnce(nodes, (node, index) => node.create(itemAt(items, index)))
            expectTold(countCreated(answers, 'running'), nodeCount, 1, 'they created and started the run of the key')
            const winner = itemAt(
              items,
              answers.findIndex(({ outcome }) => outcome === 'created'),
            )
            for (const answer of answers) {
              if (answer.outcome !== 'created') assert.equal(expectOutcome(answer, 'exists').id, winner.id)
            }
            await first.finish({ ...winner, token: 1 })
          }
        }
        await assertLedger(first.storage, { atRest: true })
      },

      'all nodes that lose a create receive state, token and owner of the winner': async (world) => {
        const nodes = await connectNodes(world, nodeCount)
        const first = itemAt(nodes, 0)
        for (let round = 1; round <= rounds(10, effort); round++) {
          const job = await first.createJob({ name: `job-${round}` })
          const item = slotItem(job, 1, { run: true })
          const answers = await atOnce(nodes, (node) => node.create(item))
          expectTold(countCreated(answers, 'running'), nodeCount, 1, `they created and started ${item.id}`)
          expectTold(countOutcomes(answers, 'exists'), nodeCount, nodeCount - 1, `${item.id} exists`)
          const winner = answers.findIndex((answer) => answer.outcome === 'created')
          for (const answer of answers) {
            if (answer.outcome !== 'exists') continue
            assert.deepEqual(
              [answer.state, answer.token, answer.owner],
              ['running', 1, itemAt(nodes, winner).owner],
              `a connection that lost ${item.id} did not receive state, token and owner of the winner`,
            )
          }
        }
      },

      'different records of one job do not run at once, whatever creates them': async (world) => {
        const nodes = await connectNodes(world, nodeCount)
        const first = itemAt(nodes, 0)
        const expected: readonly (readonly [OverlapPolicy, number, number])[] = [
          ['skip', 0, nodeCount - 1],
          // The storage queues three occurrences, and answers `queue_full` to the remaining calls.
          ['queue', 3, 0],
          ['queue_one', 1, 0],
          ['cancel_running', 1, 0],
        ]
        for (let round = 1; round <= rounds(4, effort); round++) {
          for (const [policy, queued, skipped] of expected) {
            const job = await first.createJob({ name: `${policy}-${round}`, policy, maxQueued: 3 })
            const answers = await atOnce(nodes, (node, index) =>
              node.create(requestItem(job, `key-${index}`, slotAt(1) + index, { run: true }), slotAt(2)),
            )
            const refused = policy === 'queue' ? nodeCount - 1 - queued : 0
            expectTold(countOutcomes(answers, 'queue_full'), nodeCount, refused, 'the queue is full')
            const created = nodeCount - refused
            expectTold(countOutcomes(answers, 'created'), nodeCount, created, 'they created a trigger of their own')
            expectTold(countCreated(answers, 'running'), nodeCount, 1, `their trigger runs, under ${policy}`)
            const states = (await first.history(job.id)).map((record) => record.state)
            const count = (state: string) => states.filter((other) => other === state).length
            assert.deepEqual(
              [count('running'), count('queued'), count('skipped')],
              [1, queued, skipped],
              `under ${policy} one runs, ${queued} are queued, ${skipped} skipped; stored are ${states.join(', ')}`,
            )
          }
        }
      },

      'each pending occurrence is claimed by exactly one node': async (world) => {
        const nodes = await connectNodes(world, nodeCount)
        const first = itemAt(nodes, 0)
        const job = await first.createJob({ policy: 'allow' })
        const count = rounds(80, effort)
        const items = Array.from({ length: count }, (_, index) => requestItem(job, `key-${index}`, slotAt(1) + index))
        for (const item of items) expectCreated(await first.create(item), 'pending')
        const claimed = await atOnce(nodes, async (node) => {
          const mine: string[] = []
          for (;;) {
            const answer = await node.claim(slotAt(1) + count, { limit: 3 })
            for (const record of answer.claimed) {
              assert.deepEqual(
                [record.token, record.owner],
                [1, node.owner],
                `${record.id} was claimed with another token than 1 or for another owner`,
              )
              mine.push(record.id)
            }
            if (answer.claimed.length === 0) return mine
          }
        })
        expectDistinct(claimed.flat(), 'pending occurrences', 'claimed')
        assert.deepEqual(
          claimed.flat().sort(),
          items.map((item) => item.id).sort(),
          'what was claimed is not what was created',
        )
      },

      'a queue is worked off by many nodes, one at a time, and nothing is left behind': async (world) => {
        const nodes = await connectNodes(world, nodeCount)
        const first = itemAt(nodes, 0)
        const job = await first.createJob({ policy: 'queue' })
        const perNode = rounds(6, effort)
        const held = new Set<string>()
        let finished = 0
        await atOnce(nodes, async (node, index) => {
          let created = 0
          for (let turn = 0; finished < perNode * nodeCount; turn++) {
            assert.ok(turn < 20_000, `nothing moves: ${finished} of ${perNode * nodeCount} are finished`)
            if (created < perNode) {
              const item = requestItem(job, `key-${index}-${created}`, slotAt(1) + created * nodeCount + index)
              expectOutcome(await node.create(item, slotAt(1)), 'created')
              created += 1
            }
            for (const record of (await node.claim(slotAt(9), { limit: 2 })).claimed) {
              held.add(record.id)
              assert.equal(held.size, 1, `${[...held].join(' and ')} run at once`)
              expectOutcome(await node.settle(record, { kind: 'progress' }, { sequence: 1 }), 'ok')
              held.delete(record.id)
              await node.finish(record, { sequence: 2, now: slotAt(9) })
              finished += 1
            }
          }
        })
        await assertLedger(first.storage, { atRest: true })
      },

      'finishing and queueing at the same moment strands nothing': async (world) => {
        const [first, second] = await connectTrio(world)
        for (let round = 1; round <= rounds(25, effort); round++) {
          const job = await first.createJob({ name: `job-${round}`, policy: 'queue' })
          const held = await first.startSlot(job, 1)
          const [woken, created] = await Promise.all([
            first.finish(held),
            second.create(slotItem(job, 2), slotAt(2)).then((answer) => expectOutcome(answer, 'created').state),
          ])
          const state = await first.stateOf(slotItem(job, 2))
          assert.equal(state, 'pending', `it was created ${created}, the finish woke ${woken?.id ?? 'nothing'}`)
        }
      },

      'of finish, reap and forced cancel exactly one wins': async (world) => {
        const [owner, reaper, operator] = await connectTrio(world)
        for (let round = 1; round <= rounds(15, effort); round++) {
          const job = await owner.createJob({ name: `job-${round}`, policy: 'queue' })
          const held = await owner.startSlot(job, 1)
          await owner.addSlot(job, 2, 'queued')
          await owner.addSlot(job, 3, 'queued')
          const [settled, reaped, canceled] = await Promise.all([
            owner.settle(held, { kind: 'finish', state: 'completed', reason: null }),
            reaper.reap(held),
            operator.cancel(held, { mode: 'force' }),
          ])
          const wins = [settled.outcome === 'ok', reaped.outcome === 'reaped', canceled.outcome === 'canceled']
          assert.equal(
            wins.filter(Boolean).length,
            1,
            `${wins.filter(Boolean).length} of finish, reap and forced cancel won, exactly one may: ${JSON.stringify([settled, reaped, canceled])}`,
          )
          const states = (await owner.history(job.id)).map((record) => record.state)
          const expected = ['completed', 'failed_stale', 'canceled'][wins.indexOf(true)]
          assert.equal(states[0], expected, `the winner makes it ${expected}, it is ${states[0]}`)
          assert.deepEqual(states.slice(1), ['pending', 'queued'], 'the end wakes exactly the next one')
        }
      },

      'a finish that is sent twice at once counts once and wakes one': async (world) => {
        const [first, second] = await connectTrio(world)
        for (let round = 1; round <= rounds(10, effort); round++) {
          const job = await first.createJob({ name: `job-${round}`, policy: 'queue' })
          const held = await first.startSlot(job, 1)
          await first.addSlot(job, 2, 'queued')
          await first.addSlot(job, 3, 'queued')
          const change = { kind: 'finish', state: 'completed', reason: null } as const
          for (const answer of await Promise.all([first.settle(held, change), second.settle(held, change)])) {
            expectOutcome(answer, 'ok')
          }
          const states = (await first.history(job.id)).map((record) => record.state)
          assert.deepEqual(states, ['completed', 'pending', 'queued'], 'one finish, said twice, wakes exactly one')
        }
      },

      'a missed window is recovered by exactly one node': async (world) => {
        const nodes = await connectNodes(world, nodeCount)
        const first = itemAt(nodes, 0)
        for (let round = 1; round <= rounds(10, effort); round++) {
          const job = await first.createJob({ name: `job-${round}` })
          const answers = await atOnce(nodes, (node, index) => {
            // The nodes recover at three different times, so their spans of missed slots differ in length.
            const last = 5 + (index % 3)
            const entries = [missedEntry(job, 1, last - 1), runEntry(job, last)]
            return node.create(recoveryItem(job, last, { expectedWatermark: start, entries }), slotAt(last))
          })
          const told = `they recovered the window of ${job.name}`
          expectTold(countOutcomes(answers, 'created'), nodeCount, 1, told)
          const history = await first.history(job.id)
          assert.deepEqual(
            history.map((record) => record.state),
            ['missed', 'pending'],
            'a recovered window leaves the entries of one recovery',
          )
          const { watermark } = await first.head(job.id)
          assert.equal(watermark, itemAt(history, 1).scheduledAt, 'the watermark is not that of the recovery that won')
        }
      },

      'many nodes that replace one job lose no update': async (world) => {
        const nodes = await connectNodes(world, nodeCount)
        const first = itemAt(nodes, 0)
        const job = await first.createJob()
        const perNode = rounds(5, effort)
        await atOnce(nodes, async (node, index) => {
          for (let saved = 0; saved < perNode; ) {
            const head = await node.head(job.id)
            const fingerprint = `print-${index}-${saved}`
            const answer = await node.saveJob({
              kind: 'replace',
              id: job.id,
              content: jobContent({ fingerprint }),
              expectedVersion: head.version,
              expectedWatermark: head.watermark,
              waiting: 'keep',
            })
            if (answer.outcome === 'saved') saved += 1
            else assert.equal(answer.outcome, 'conflict', `a replace was answered ${JSON.stringify(answer)}`)
          }
        })
        const head = await first.head(job.id)
        const saved = perNode * nodeCount
        assert.equal(head.version, 1 + saved, `${saved} replaces were saved, the version is ${head.version}`)
        expectDistinct([head.fingerprint, ...head.lineage], 'versions', 'put in force')
      },

      'one of many nodes creates a job': async (world) => {
        const nodes = await connectNodes(world, nodeCount)
        for (let round = 1; round <= rounds(5, effort); round++) {
          const name = `job-${round}`
          const answers = await atOnce(nodes, (node, index) =>
            node.saveJob({
              kind: 'create',
              id: jobId(name),
              content: jobContent({ name, fingerprint: `print-${index}` }),
            }),
          )
          expectTold(countOutcomes(answers, 'saved'), nodeCount, 1, `they created the job ${name}`)
          expectTold(countOutcomes(answers, 'exists'), nodeCount, nodeCount - 1, `the job ${name} exists`)
          const { version } = await itemAt(nodes, 0).head(jobId(name))
          assert.equal(version, 1, `the job ${name} was created once, its version is ${version}`)
        }
      },

      'once a pause or a deletion was answered, nothing starts any more': async (world) => {
        const nodes = await connectNodes(world, nodeCount)
        const first = itemAt(nodes, 0)
        for (let round = 1; round <= rounds(6, effort); round++) {
          for (const change of ['pause', 'delete'] as const) {
            const job = await first.createJob({ name: `${change}-${round}`, policy: 'allow' })
            // First, each connection creates an occurrence, and may cache the job's head. Then one connection pauses or deletes
            // the job. If another connection still uses its cached head afterwards, that connection starts an occurrence, and
            // the test fails.
            await atOnce(nodes, (node, index) => node.create(requestItem(job, `early-${index}`, slotAt(1))))
            let stopped = false
            await atOnce(nodes, async (node, index) => {
              if (index === 0) {
                expectOutcome(await (change === 'pause' ? node.pause(job.id) : node.deleteJob(job.id)), 'saved')
                stopped = true
                return
              }
              // The loop ends after the first turn that began after the answer, because further turns would test the same.
              for (let turn = 0, began = false; turn < 4 && !began; turn++) {
                began = stopped
                const item = requestItem(job, `key-${index}-${turn}`, slotAt(1), { run: true })
                const answer = await node.create(item)
                const startedNow = answer.outcome === 'created' && answer.state === 'running'
                assert.ok(!(began && startedNow), `started after the ${change}: ${JSON.stringify(answer)}`)
                const { claimed } = await node.claim(slotAt(1), { limit: 1 })
                assert.ok(!(began && claimed.length > 0), `claimed after the ${change}`)
              }
            })
            if (change === 'delete') {
              const states = (await first.history(job.id)).map((record) => record.state)
              assert.ok(!states.includes('pending') && !states.includes('queued'), 'something waits for a deleted job')
            } else {
              // Removes the job. Otherwise the claims of all later rounds would have to skip its waiting occurrences.
              await first.deleteJob(job.id)
            }
          }
        }
      },

      'a slot and its exclusion meet, and only one of them happens': async (world) => {
        const [first, second] = await connectTrio(world)
        for (let round = 1; round <= rounds(12, effort); round++) {
          const job = await first.createJob({ name: `job-${round}` })
          const [ran, excluded] = await Promise.all([
            first.create(slotItem(job, 1, { run: true })),
            second.create(exclusionItem(job, 1), start),
          ])
          expectTold(countOutcomes([ran, excluded], 'created'), 2, 1, 'they created the slot or its exclusion')
          const state = await first.stateOf(slotItem(job, 1))
          const expected = ran.outcome === 'created' ? 'running' : 'canceled'
          assert.equal(state, expected, `by the answers the slot is ${expected}, but it is ${state}`)
          const { watermark } = await first.head(job.id)
          assert.equal(watermark, slotAt(1), 'the watermark did not pass the slot')
        }
      },

      'no id is created twice while history is pruned': async (world) => {
        const nodes = await connectNodes(world, nodeCount)
        const first = itemAt(nodes, 0)
        const count = Math.max(3, rounds(8, effort))
        // `prune` removes only occurrences before the job's next instant. So this job gets a next instant that is later than
        // all triggers of this case.
        const job = await first.createJob({ policy: 'allow', nextAt: slotAt(count) })
        await first.finish(await first.startSlot(job, count))
        const created: string[] = []
        let done = 0
        await atOnce(nodes, async (node, index) => {
          if (index === 0) {
            while (done < nodeCount - 1) await node.prune({ before: slotAt(count), limit: 3 })
            return
          }
          for (let slot = 1; slot < count; slot++) {
            for (let turn = 0; turn < 4; turn++) {
              const item = requestItem(job, 'key', slotAt(slot), { run: true })
              const answer = await node.create(item)
              if (answer.outcome !== 'created') continue
              created.push(item.id)
              await node.finish({ id: item.id, jobId: job.id, scheduledAt: item.scheduledAt, token: answer.token })
            }
          }
          done += 1
        })
        expectDistinct(created, 'ids', 'created')
        while ((await first.prune({ before: slotAt(count) })).more);
        for (const node of nodes) {
          expectOutcome(await node.create(requestItem(job, 'key', slotAt(1), { run: true })), 'pruned')
        }
      },

      'a prune beside new slots takes none of them back': async (world) => {
        const [pruner, writer] = await connectTrio(world)
        const job = await writer.createJob({ policy: 'allow' })
        const count = rounds(40, effort)
        let isWriting = true
        const write = async (): Promise<void> => {
          for (let index = 1; index <= count; index++) {
            const answer = await writer.create(slotItem(job, index, { run: true }))
            const { token } = expectCreated(answer, 'running')
            await writer.finish({ ...slotItem(job, index), token })
          }
        }
        const prune = async (): Promise<void> => {
          while (isWriting) {
            await nextTurn()
            await pruner.prune({ before: slotAt(count), jobId: job.id })
          }
        }
        const writing = write().finally(() => {
          isWriting = false
        })
        await Promise.all([writing, prune()])
        const { watermark, nextAt } = await writer.head(job.id)
        assert.deepEqual(
          [watermark, nextAt],
          [slotAt(count), slotAt(count + 1)],
          'a prune set the head of the job back',
        )
        await assertLedger(writer.storage)
      },

      'a prune and a job that is set back meet, and no slot to come is lost': async (world) => {
        const [pruner, operator] = await connectTrio(world)
        for (let round = 1; round <= rounds(8, effort); round++) {
          const job = await operator.createJob({ name: `job-${round}`, policy: 'allow' })
          for (const slot of [1, 2, 3]) await operator.finish(await operator.startSlot(job, slot))
          const head = await operator.head(job.id)
          await Promise.all([
            pruner.prune({ before: slotAt(4), jobId: job.id }),
            // Each round sets the job's watermark back at a different moment of the prune.
            turns(round - 1).then(() => operator.setBackFrom(head, { setBackTo: slotAt(1), nextAt: slotAt(2) })),
          ])
          const { nextAt, pruneFloor } = await operator.head(job.id)
          assert.ok(
            nextAt !== null && (pruneFloor === null || pruneFloor < nextAt),
            `the prune floor is ${pruneFloor}, and the next slot ${nextAt} could never be created`,
          )
        }
      },
    },
    { depth: 'races', timeoutMs: 120_000 },
  )
}

/**
 * Waits until the event loop has handled timers and sockets. Without this wait, a loop that awaits only a fast storage
 * would keep all other work of the process from running.
 */
async function nextTurn(): Promise<void> {
  await new Promise<void>((resolve) => systemClock.setTimer(0, resolve))
}

/** Waits for `count` microtasks, so that other calls in progress continue. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve()
}
