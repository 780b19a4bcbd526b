import assert from 'node:assert/strict'
import { claimableFrom } from '@jobistemer/core/storage'
import type { ClaimAnswer, ClaimRequest, OccurrenceRecord, Storage } from '@jobistemer/core/storage'
import { type LedgerView, viewLedger } from '../ledger/ledger-view.ts'
import { readCounts } from '../ledger/read-ledger.ts'
import { type ModelCall, modelJobIds, type ModelState } from './resolve-move.ts'

/**
 * Asserts that the storage and the model gave the same answer. Lists without a defined order may differ in their order,
 * and the answer of a claim may differ as `compareClaims` allows.
 */
export function compareAnswers(call: ModelCall, actual: unknown, expected: unknown, after: ModelState): void {
  if (call.method === 'claim') {
    compareClaims(call.request, actual as ClaimAnswer, expected as ClaimAnswer, after)
  } else {
    assert.deepEqual(withOrderedSets(actual), withOrderedSets(expected), `the answer of ${call.method}`)
  }
}

function compareClaims(request: ClaimRequest, actual: ClaimAnswer, expected: ClaimAnswer, after: ModelState): void {
  assert.deepEqual(actual.claimed, expected.claimed, 'what was claimed')
  assert.deepEqual(byId(actual.cancelRequested), byId(expected.cancelRequested), 'the requests to cancel')
  // An adapter that has claimed `limit` occurrences need not check whether further due occurrences are claimable. So
  // after a full claim, `more` may be true although the model says false.
  if (actual.claimed.length < request.limit) assert.equal(actual.more, false, 'less than the limit was claimed')
  else if (expected.more) assert.equal(actual.more, true, 'more are due than were claimed')
  assertNextDue(request, actual.nextDueAt, after)
}

/**
 * Asserts that `nextDueAt` is the next instant at which the claiming node can claim an occurrence. The storage may also return
 * an earlier instant, at which only other nodes can claim an occurrence.
 */
function assertNextDue(request: ClaimRequest, nextDueAt: number | null, after: ModelState): void {
  const pending = after.occurrences.filter(({ state }) => state === 'pending')
  const mine = pending.filter((record) => isForNode(record, request, after)).map((record) => from(record, after))
  const next = Math.min(...mine.filter((instant) => instant > request.now))
  const exact = Number.isFinite(next) ? next : null
  if (nextDueAt === exact) return
  const isAny = pending.some((record) => record.dueAt === nextDueAt || from(record, after) === nextDueAt)
  const isEarlier = isAny && (exact === null || (nextDueAt ?? exact) < exact)
  assert.ok(isEarlier, `nextDueAt is ${nextDueAt}, the next one is due at ${exact}`)
}

function isForNode(record: OccurrenceRecord, { exceptHandlerKeys }: ClaimRequest, { jobs }: ModelState): boolean {
  const job = jobs.get(record.jobId)
  return job !== undefined && !exceptHandlerKeys.includes(job.handlerKey)
}

/** Returns the instant from which a node can claim the occurrence. */
function from({ jobId, dueAt }: OccurrenceRecord, { jobs }: ModelState): number {
  return claimableFrom({ paused: jobs.get(jobId)?.paused ?? null }, dueAt)
}

/** Members of answers whose lists have no defined order. */
const unordered: ReadonlySet<string> = new Set(['canceled', 'displaced', 'cancelRequested'])

function withOrderedSets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withOrderedSets)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      unordered.has(key) && Array.isArray(member) ? byId(member) : withOrderedSets(member),
    ]),
  )
}

function byId<T extends { readonly id: string }>(items: readonly T[]): readonly T[] {
  return items.toSorted((left, right) => (left.id < right.id ? -1 : 1))
}

/** Asserts that the storage and the model have the same live counts, of each job and of all jobs. */
export async function compareCounts(actual: Storage, expected: Storage): Promise<void> {
  const said = [await readCounts(actual, modelJobIds), await readCounts(expected, modelJobIds)]
  assert.deepEqual(said[0], said[1], 'the counts of what lives')
}

/** Asserts that all queries return the same records from both storages. */
export async function compareLedgers(actual: Storage, expected: Storage): Promise<void> {
  const [stored, model] = [await viewLedger(actual), await viewLedger(expected)]
  assert.deepEqual(comparable(stored), comparable(model), 'the stored ledger')
  if (stored.due !== null && model.due !== null) assert.deepEqual(stored.due, model.due, 'due slots')
}

function comparable({ jobs, histories, versions, live, counts, failures, latest }: LedgerView) {
  return {
    jobs,
    histories: Object.fromEntries(histories),
    versions,
    counts: Object.fromEntries(counts),
    failures,
    latest: Object.fromEntries(latest),
    // Sorts live occurrences by id, because an adapter may list them in any order.
    live: { pending: byId(live.pending), queued: byId(live.queued), running: byId(live.running) },
  }
}
