import { isFinal, type JobRecord, type OccurrenceRecord } from '@jobistemer/core/storage'
import type { LedgerExpectations, LedgerRule, LedgerViolation } from './ledger-report.ts'
import type { LedgerView } from './ledger-view.ts'

/** Checks that the head of each job is consistent with itself and with the job's records. */
export function checkHeads(
  job: JobRecord,
  history: readonly OccurrenceRecord[],
  wasSetBack: boolean,
): readonly LedgerViolation[] {
  const violations: LedgerViolation[] = []
  const expect = (holds: boolean, rule: LedgerRule, message: string, record: OccurrenceRecord | null = null): void => {
    if (!holds) violations.push({ rule, jobId: job.id, occurrenceId: record?.id ?? null, message })
  }
  const { watermark, nextAt, pruneFloor } = job
  expect(nextAt === null || nextAt > watermark, 'watermark', `next ${text(nextAt)} is not after ${text(watermark)}`)
  // The prune floor may be between the watermark and the next slot, because that interval contains no slots.
  expect(
    pruneFloor === null || nextAt === null || pruneFloor < nextAt,
    'watermark',
    `prune floor ${text(pruneFloor)} is not before the next slot ${text(nextAt)}`,
  )
  expect(
    job.version >= 1 && job.lineage.length <= job.version - 1,
    'version',
    `${job.lineage.length} earlier fingerprints at version ${job.version}`,
  )
  for (const record of history) {
    if (record.kind !== 'slot') continue
    const decided = Math.max(record.scheduledAt, record.details.span?.to ?? record.scheduledAt) <= watermark
    // A record of a slot after the watermark is allowed in two cases: the slot was canceled ahead, or the watermark of the
    // job was set back.
    const excluded = record.state === 'canceled' && record.token === 0
    expect(
      decided || excluded || wasSetBack,
      'watermark',
      `a ${record.state} slot lies after the watermark ${text(watermark)}`,
      record,
    )
  }
  return violations
}

/** Checks that the starts in a job's head and in its records respect the start rate of the job. */
export function checkStarts(job: JobRecord, history: readonly OccurrenceRecord[]): readonly LedgerViolation[] {
  const { starts, overlap, version } = job
  const violation = (message: string, record: OccurrenceRecord | null = null): LedgerViolation => {
    return { rule: 'start rate', jobId: job.id, occurrenceId: record?.id ?? null, message }
  }
  const { startRate } = overlap
  if (startRate === undefined) return starts === undefined ? [] : [violation('a job without a start rate keeps starts')]
  const { limit, intervalMs } = startRate
  const violations: LedgerViolation[] = []
  if (starts !== undefined && (starts.length === 0 || starts.length > limit)) {
    violations.push(violation(`${starts.length} starts are kept, and ${limit} looked at`))
  }
  // Checks only jobs that were never updated, because an earlier version may have had another start rate. The record of an
  // occurrence has only its latest start, so the check may miss starts.
  if (version > 1) return violations
  const started = history.filter((record) => record.startedAt !== null)
  const inOrder = started.toSorted((first, second) => (first.startedAt as number) - (second.startedAt as number))
  for (const [index, record] of inOrder.entries()) {
    const before = inOrder[index - limit]
    if (before === undefined) continue
    const apart = (record.startedAt as number) - (before.startedAt as number)
    if (apart < intervalMs) {
      violations.push(violation(`it started ${apart} ms after the one ${limit} before it, of ${intervalMs}`, record))
    }
  }
  return violations
}

/** Checks that each slot up to the watermark has a record, lies in a range of missed slots, or was pruned. */
export function checkSlots(
  job: JobRecord,
  history: readonly OccurrenceRecord[],
  slots: NonNullable<LedgerExpectations['slots']>,
): readonly LedgerViolation[] {
  const known = new Set<number>()
  const ranges: { readonly from: number; readonly to: number; readonly count: number }[] = []
  for (const { kind, scheduledAt, details } of history) {
    if (kind !== 'slot') continue
    known.add(scheduledAt)
    if (details.span !== undefined) ranges.push(details.span)
  }
  const after = Math.max(job.createdAt, job.pruneFloor ?? job.createdAt)
  const violations: LedgerViolation[] = []
  for (const at of slots(job, after, job.watermark)) {
    if (known.has(at) || ranges.some(({ from, to }) => at >= from && at <= to)) continue
    const message = `the slot ${text(at)} has no entry, the watermark is ${text(job.watermark)}`
    violations.push({ rule: 'hole', jobId: job.id, occurrenceId: null, message })
  }
  return violations
}

/** Checks that the storage has every version in use, and that the current version has the fingerprint of the head. */
export function checkVersions(view: LedgerView): readonly LedgerViolation[] {
  const violations: LedgerViolation[] = []
  const heads = new Map(view.jobs.map((job) => [job.id, job]))
  for (const { jobId, version, record } of view.versions) {
    const head = heads.get(jobId)
    const message =
      record === null
        ? `version ${version} is in use and cannot be read`
        : record.version !== version || record.jobId !== jobId
          ? `version ${version} was asked for, ${record.version} of ${record.jobId} came`
          : head?.version === version && head.fingerprint !== record.fingerprint
            ? `the head has the fingerprint ${head.fingerprint}, version ${version} has ${record.fingerprint}`
            : null
    if (message !== null) violations.push({ rule: 'version', jobId, occurrenceId: null, message })
  }
  return violations
}

/** Checks that the lists of live occurrences contain the same records as the histories. */
export function checkLiveLists(view: LedgerView): readonly LedgerViolation[] {
  const violations: LedgerViolation[] = []
  for (const state of ['pending', 'queued', 'running'] as const) {
    const listed = new Map(view.live[state].map((record) => [record.id, record]))
    if (listed.size < view.live[state].length) {
      const jobId = view.live[state][0]?.jobId
      if (jobId !== undefined)
        violations.push({ rule: 'live', jobId, occurrenceId: null, message: `${state}: one is listed twice` })
    }
    for (const [jobId, history] of view.histories) {
      for (const record of history) {
        const isListed = listed.delete(record.id)
        if (isListed === (record.state === state)) continue
        const message = isListed ? `listed as ${state}, but is ${record.state}` : `${state}, but not listed as such`
        violations.push({ rule: 'live', jobId, occurrenceId: record.id, message })
      }
    }
    for (const record of listed.values()) {
      const message = `listed as ${state}, but ${isFinal(record.state) ? 'ended and ' : ''}not in the history of its job`
      violations.push({ rule: 'live', jobId: record.jobId, occurrenceId: record.id, message })
    }
  }
  return violations
}

/** Checks that the storage's live counts equal the number of live records. */
export function checkCounts(view: LedgerView): readonly LedgerViolation[] {
  const violations: LedgerViolation[] = []
  const live = [...view.histories.values()].flat().filter(({ state }) => !isFinal(state))
  for (const [id, said] of view.counts) {
    const records = id === 'all' ? live : live.filter(({ jobId }) => jobId === id)
    for (const state of ['pending', 'queued', 'running'] as const) {
      const count = records.filter((record) => record.state === state).length
      if (said?.[state] === count) continue
      const message = `the storage counts ${said?.[state] ?? 'no'} ${state} occurrences, the ledger has ${count}`
      violations.push({ rule: 'counts', jobId: id === 'all' ? null : id, occurrenceId: null, message })
    }
  }
  return violations
}

/** Due jobs whose next instants differ by at most this time, in ms, may come in either order: see `JobQuery.due`. */
const orderSlackMs = 10_000

/**
 * Checks that the query for due jobs returns exactly the jobs with a next instant. Their order may deviate by at most
 * `orderSlackMs`.
 */
export function checkDue({ jobs, due }: LedgerView): readonly LedgerViolation[] {
  if (due === null) return []
  const expected = new Map(
    jobs.flatMap((job) => (job.nextAt === null || job.deletedAt !== null ? [] : [[job.id, job] as const])),
  )
  const violations: LedgerViolation[] = []
  const violate = (job: JobRecord, what: string) => {
    const message = `${placeOf(job)} ${what}`
    violations.push({ rule: 'due', jobId: job.id, occurrenceId: null, message })
  }
  let latest = Number.NEGATIVE_INFINITY
  for (const job of due) {
    const should = expected.get(job.id)
    if (should === undefined) violate(job, 'is found among due jobs without a next instant, or twice')
    else if (should.nextAt !== job.nextAt) violate(job, `is found among due jobs, and should be ${placeOf(should)}`)
    expected.delete(job.id)
    const nextAt = job.nextAt ?? Number.NEGATIVE_INFINITY
    if (nextAt < latest - orderSlackMs) violate(job, `is found behind a job that is due at ${text(latest)}`)
    latest = Math.max(latest, nextAt)
  }
  for (const job of expected.values()) violate(job, 'has a next instant, and is not found')
  return violations
}

function placeOf({ id, nextAt }: Pick<JobRecord, 'id' | 'nextAt'>): string {
  return `${id} at ${text(nextAt)}`
}

function text(value: number | null): string {
  return value === null ? 'null' : new Date(value).toISOString()
}
