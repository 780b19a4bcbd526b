import { type JobId, jobId, occurrenceId } from '@jobistemer/core'
import type {
  CreateItem,
  FinalState,
  JobChange,
  JobRecord,
  OccurrenceRecord,
  OverlapPolicy,
  Page,
  SettleChange,
} from '@jobistemer/core/storage'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memoryDatabase, memoryStorage } from '../src/index.ts'
import { checkLedger, checkStep, expectedClaim, type Ledger, readLedger } from './ledger.ts'
import { byEffort } from '../../workspace/test-effort.ts'
import { firstAttempt, jobContent, Node, recoveryItem, slotAt, slotItem, start, triggerItem } from './world.ts'

const names = ['alpha', 'beta'] as const
const policies: readonly OverlapPolicy[] = ['skip', 'queue', 'queue_one', 'allow', 'cancel_running']

/**
 * A random call of the test. When the call runs, its random numbers select records from all records that exist then.
 */
const action = fc.record({
  kind: fc.constantFrom(
    ...(['slot', 'slot', 'slot', 'trigger', 'exclusion', 'recovery', 'claim', 'claim', 'settle', 'settle'] as const),
    ...(['settle', 'cancel', 'reap', 'replace', 'pause', 'delete', 'create', 'prune'] as const),
  ),
  job: fc.constantFrom(...names),
  node: fc.integer({ min: 0, max: 1 }),
  pick: fc.nat(1000),
  flag: fc.boolean(),
  skew: fc.integer({ min: -2, max: 2 }),
})
type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never

class Driver {
  readonly nodes: readonly Node[]
  readonly created = new Set<string>()
  ledger: Ledger = { heads: new Map(), records: new Map(), live: { pending: [], queued: [], running: [] } }
  minutes = 1

  constructor() {
    const database = memoryDatabase()
    this.nodes = ['node-a', 'node-b'].map((name) => new Node(memoryStorage({ database }), name))
  }

  async run(step: Action): Promise<void> {
    if (step.pick % 3 === 0) this.minutes++
    const before = this.ledger
    await this.#call(step, this.nodes[step.node] as Node, slotAt(this.minutes) + step.skew * 20_000)
    this.ledger = await readLedger(this.nodes[0] as Node)
    checkLedger(this.ledger)
    checkStep(before, this.ledger)
    await this.#checkChanged(slotAt(this.minutes - (step.pick % 3)))
  }

  async #checkChanged(changedSince: number): Promise<void> {
    const query = { changedSince, deleted: true, limit: 1 }
    const found: JobRecord[] = []
    let cursor: string | null = null
    do {
      const page: Page<JobRecord> = await (this.nodes[0] as Node).storage.listJobs({ ...query, cursor })
      found.push(...page.items)
      cursor = page.cursor
    } while (cursor !== null)
    expect(found).toEqual([...this.ledger.heads.values()].filter(({ changedAt }) => changedAt >= changedSince))
  }

  async #call(step: Action, node: Node, now: number): Promise<void> {
    const head = this.ledger.heads.get(jobId(step.job)) ?? null
    switch (step.kind) {
      case 'create':
      case 'replace':
      case 'pause':
      case 'delete':
        await node.storage.saveJobs({ now, changes: [jobChange(step, head, now)] })
        return
      case 'slot':
      case 'trigger':
      case 'exclusion':
      case 'recovery':
        if (head !== null) await this.#create(createItem(step, head, now, slotAt(this.minutes)), node, now)
        return
      case 'claim':
        return this.#claim(step, node, now)
      case 'settle':
        return this.#settle(step, node)
      case 'cancel':
        return this.#cancel(step, node, now)
      case 'reap':
        return this.#reap(step, node, now)
      case 'prune':
        await node.storage.prune({
          now,
          jobId: step.flag ? null : jobId(step.job),
          // A caller of `prune` must not remove a slot that is due now. So `before` is an instant that lies in the past by the
          // clock of every node.
          before: slotAt(this.minutes - 1 - (step.pick % 4)),
          keep: step.pick % 3,
          limit: 1 + (step.pick % 5),
        })
    }
  }

  async #create(item: CreateItem, node: Node, now: number): Promise<void> {
    const known = this.ledger.records.has(item.id)
    const answer = await node.create(item, now)
    if (item.kind === 'recovery') return
    expect(answer.outcome === 'exists').toBe(known)
    if (answer.outcome !== 'created') return
    expect(this.created.has(item.id)).toBe(false)
    this.created.add(item.id)
    expect((await node.record(item)).state).toBe(answer.state)
  }

  async #claim(step: Action, node: Node, now: number): Promise<void> {
    const exceptHandlerKeys = step.pick % 4 === 0 ? [step.job] : []
    const request = { now, owner: node.owner, limit: step.pick % 3, exceptHandlerKeys, sweep: step.flag }
    const expected = expectedClaim(this.ledger, request)
    const { claimed, more, nextDueAt } = await node.storage.claim(request)
    expect({ claimed: claimed.map(({ id }) => id), more, nextDueAt }).toEqual({
      claimed: expected.claimed,
      more: expected.more,
      nextDueAt: expected.nextDueAt,
    })
    for (const record of claimed) expect(await node.record(record)).toEqual(record)
    for (const id of expected.queued)
      expect((await node.record({ id: id as OccurrenceRecord['id'] })).state).toBe('queued')
  }

  /** Picks a random record. Prefers running occurrences. */
  #pick(step: Action): OccurrenceRecord | undefined {
    const { records, live } = this.ledger
    const choice = step.pick % 4 > 0 && live.running.length > 0 ? live.running : [...records.values()]
    return choice[step.pick % Math.max(choice.length, 1)]
  }

  async #settle(step: Action, node: Node): Promise<void> {
    const record = this.#pick(step)
    if (record === undefined) return
    const finals: readonly FinalState[] = ['completed', 'failed', 'canceled']
    const changes: readonly SettleChange[] = [
      { kind: 'progress' },
      { kind: 'release', dueAt: record.scheduledAt + (step.pick % 200_000), reason: null },
      ...finals.map((state) => ({ kind: 'finish' as const, state, reason: null })),
    ]
    const change = changes[step.pick % changes.length] as SettleChange
    const token = record.token - (step.pick % 7 === 0 ? 1 : 0)
    const answer = await node.settle(record, token, change, record.sequence + (step.flag ? 1 : 0))
    const applies = record.state === 'running' && token === record.token
    if (applies) expect(answer.outcome).toBe('ok')
    const after = await node.record(record)
    if (!applies || !step.flag) expect(after).toEqual(record)
    if (answer.outcome === 'ok') {
      expect(await node.settle(record, token, change, after.sequence)).toMatchObject({ outcome: 'ok', woken: null })
    }
  }

  async #cancel(step: Action, node: Node, now: number): Promise<void> {
    const record = this.#pick(step)
    if (record === undefined) return
    const mode = step.flag ? 'force' : 'request'
    await node.storage.cancel({ now, items: [{ ...record, reason: 'by hand', actor: null, mode }] })
  }

  async #reap(step: Action, node: Node, now: number): Promise<void> {
    const record = this.#pick(step)
    if (record === undefined) return
    const action = step.flag ? 'fail' : 'retry'
    const sequence = record.sequence + (step.pick % 5 === 0 ? 1 : 0)
    const item = { ...record, sequence, action, reason: 'late' } as const
    const [answer] = await node.storage.reap({ now, items: [item] })
    const live = record.state === 'running' && sequence === record.sequence
    expect(answer?.outcome).toBe(live ? 'reaped' : 'lost')
  }
}

function jobChange(step: Action, head: JobRecord | null, now: number): JobChange {
  const id = jobId(step.job)
  const policy = policies[step.pick % policies.length] as OverlapPolicy
  const content = {
    ...jobContent(step.job, policy, 2),
    fingerprint: `print-${step.pick}`,
    nextAt: slotAfter(now, head),
  }
  if (step.kind === 'create' || head === null) return { kind: 'create', id, content }
  if (step.kind === 'pause') {
    return { kind: 'pause', id, paused: step.flag ? { at: now, reason: null, actor: null } : null }
  }
  if (step.kind === 'delete') return { kind: 'delete', id, expectedVersion: step.flag ? head.version : null }
  const expected = { expectedVersion: head.version, expectedWatermark: head.watermark }
  return { kind: 'replace', id, content, ...expected, waiting: step.flag ? 'cancel' : 'keep' }
}

function slotAfter(now: number, head: JobRecord | null): number {
  const after = Math.max(now, head?.watermark ?? now)
  return slotAt(Math.floor((after - start) / (slotAt(1) - start)) + 1)
}

function indexOf(instant: number): number {
  return Math.round((instant - start) / (slotAt(1) - start))
}

function createItem(step: Action, head: JobRecord, now: number, minute: number): CreateItem {
  const id: JobId = head.id
  const jobVersion = head.version - (step.pick % 11 === 0 ? 1 : 0)
  const runs = step.flag ? firstAttempt(now) : null
  const next = indexOf(head.nextAt ?? slotAfter(now, head)) + (step.pick % 13 === 0 ? 1 : 0)
  switch (step.kind) {
    case 'trigger':
      return triggerItem(id, `${minute}-${step.pick % 3}`, minute, {
        jobVersion,
        runs,
        dueAt: minute + (step.pick % 2) * 90_000,
      })
    case 'exclusion': {
      const at = slotAt(next + (step.pick % 3))
      const address = { id: occurrenceId(id, at), jobId: id, scheduledAt: at }
      return { kind: 'exclusion', ...address, jobVersion, reason: 'holiday', details: {} }
    }
    case 'recovery':
      return { ...recoveryItem(id, next, next + (step.pick % 3), head.watermark), jobVersion }
    default:
      return slotItem(id, next, { jobVersion, runs })
  }
}

describe('the memory storage under random calls from two nodes', () => {
  it('keeps every index equal to the records, and breaks no invariant', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 30, maxLength: 90, size: 'max' }), async (steps) => {
        const driver = new Driver()
        for (const name of names) {
          await driver.run({ kind: 'create', job: name, node: 0, pick: steps.length, flag: true, skew: 0 })
        }
        for (const step of steps) await driver.run(step)
      }),
      // After a failure, fast-check searches for shorter failing runs. This time limit ends the search before the
      // timeout of the test, so that fast-check can print the seed.
      { numRuns: byEffort(100, 15), interruptAfterTimeLimit: 40_000 },
    )
  })
})
