import type { JobId } from '@jobistemer/core'
import { type ClaimRequest, isDelayed, isFinal, type JobRecord, type OccurrenceRecord } from '@jobistemer/core/storage'
import { expect } from 'vitest'
import type { Node } from './world.ts'

/** All contents of a storage, read through the storage protocol. */
export interface Ledger {
  readonly heads: ReadonlyMap<JobId, JobRecord>
  readonly records: ReadonlyMap<string, OccurrenceRecord>
  readonly live: Readonly<Record<'pending' | 'queued' | 'running', readonly OccurrenceRecord[]>>
}

export async function readLedger(node: Node): Promise<Ledger> {
  const { items } = await node.storage.listJobs({ deleted: true, limit: 100, cursor: null })
  const heads = new Map(items.map((head) => [head.id, head]))
  const records = new Map<string, OccurrenceRecord>()
  for (const id of heads.keys()) for (const record of await node.history(id, 3)) records.set(record.id, record)
  const live = {
    pending: await node.live('pending', 2),
    queued: await node.live('queued', 2),
    running: await node.live('running', 2),
  }
  return { heads, records, live }
}

function bySchedule(left: OccurrenceRecord, right: OccurrenceRecord): number {
  return left.scheduledAt - right.scheduledAt || (left.id < right.id ? -1 : 1)
}

function byId(left: OccurrenceRecord, right: OccurrenceRecord): number {
  return left.id < right.id ? -1 : 1
}

/** Asserts the rules that every ledger must satisfy. */
export function checkLedger({ heads, records, live }: Ledger): void {
  const all = [...records.values()]
  for (const state of ['pending', 'queued', 'running'] as const) {
    const expected = all.filter((record) => record.state === state)
    expect([...live[state]].sort(byId)).toEqual(expected.sort(byId))
  }
  for (const head of heads.values()) {
    const own = all.filter((record) => record.jobId === head.id)
    const active = own.filter(({ state }) => state === 'pending' || state === 'running')
    const queued = own.filter(({ state }) => state === 'queued')
    if (active.length === 0 || head.overlap.policy === 'allow') expect(queued).toEqual([])
    if (head.deletedAt !== null)
      expect(own.filter(({ state }) => state === 'pending' || state === 'queued')).toEqual([])
    if (head.nextAt !== null) expect(head.nextAt).toBeGreaterThan(head.watermark)
  }
  for (const record of all) {
    expect(record.deadlineAt !== null).toBe(record.state === 'running')
    expect(record.finishedAt !== null).toBe(isFinal(record.state))
    expect(record.owner === null).toBe(record.token === 0)
    expect(record.startedAt === null).toBe(record.token === 0)
  }
}

/** Asserts the rules that must hold between the ledgers before and after one call. */
export function checkStep(before: Ledger, after: Ledger): void {
  for (const [id, head] of after.heads) {
    const earlier = before.heads.get(id)
    if (earlier === undefined) continue
    expect(head.watermark).toBeGreaterThanOrEqual(earlier.watermark)
    expect(head.version).toBeGreaterThanOrEqual(earlier.version)
    expect(head.pruneFloor ?? -Infinity).toBeGreaterThanOrEqual(earlier.pruneFloor ?? -Infinity)
    const running = (ledger: Ledger): number => ledger.live.running.filter(({ jobId }) => jobId === id).length
    if (head.overlap.policy !== 'allow' && running(after) > running(before)) expect(running(after)).toBe(1)
  }
  for (const [id, record] of before.records) {
    const later = after.records.get(id)
    if (later === undefined) {
      expect(isFinal(record.state)).toBe(true)
      expect(record.scheduledAt).toBeLessThanOrEqual(after.heads.get(record.jobId)?.pruneFloor ?? Infinity)
      continue
    }
    if (isFinal(record.state)) expect(later).toEqual(record)
    expect(later.token).toBeGreaterThanOrEqual(record.token)
    if (later.token > record.token) expect([record.state, later.state]).toEqual(['pending', 'running'])
    if (record.state === 'running' && later.state === 'running') expect(later.owner).toEqual(record.owner)
  }
}

/** Computes the expected answer of a claim by a simple search through all records. */
export function expectedClaim({ heads, records }: Ledger, request: ClaimRequest) {
  const claimable = [...records.values()]
    .filter(({ state, jobId }) => {
      const head = heads.get(jobId) as JobRecord
      return state === 'pending' && head.paused === null && !request.exceptHandlerKeys.includes(head.handlerKey)
    })
    .sort(bySchedule)
  const due = claimable.filter(({ dueAt }) => dueAt <= request.now)
  const running = new Set([...records.values()].filter(({ state }) => state === 'running').map(({ jobId }) => jobId))
  // A delayed occurrence does not prevent the start of other occurrences. So this list leaves out delayed occurrences.
  const active = [...records.values()].filter((record) => record.state === 'pending' && !isDelayed(record))
  const claimed: string[] = []
  const queued: string[] = []
  let more = false
  for (const record of due) {
    const { id, jobId } = record
    if (claimed.length >= request.limit) {
      more = true
      break
    }
    const isBehind = isDelayed(record) && active.some((other) => other.jobId === jobId)
    const blocked = heads.get(jobId)?.overlap.policy !== 'allow' && (running.has(jobId) || isBehind)
    if (blocked) {
      queued.push(id)
    } else {
      claimed.push(id)
      running.add(jobId)
    }
  }
  const later = claimable.filter(({ dueAt }) => dueAt > request.now).map(({ dueAt }) => dueAt)
  return { claimed, queued, more, nextDueAt: later.length === 0 ? null : Math.min(...later) }
}
