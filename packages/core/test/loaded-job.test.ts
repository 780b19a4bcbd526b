import { describe, expect, it } from 'vitest'
import { jobId } from '../src/ids.ts'
import { LoadedJob } from '../src/storage/ledger/loaded-job.ts'
import { createdJob, type JobRecord, type JobVersionRecord, type OccurrenceRecord } from '../src/storage/index.ts'
import { addressOf, content, record } from './support/ledger-calls.ts'

const id = jobId('alpha')
const head = createdJob(id, content('alpha', 'skip'), null, 0)
const version: JobVersionRecord = { jobId: id, version: 1, fingerprint: 'alpha-1', definition: {}, createdAt: 0 }

function load(
  records: readonly OccurrenceRecord[],
  counts = { pending: 0, delayed: 0, queued: 0, running: 0 },
  job: JobRecord | null = head,
): LoadedJob {
  return new LoadedJob(
    { head, counts, job },
    records.map((one) => ({ record: one })),
    new Map(),
  )
}

function instantsOf(entries: readonly { readonly record: OccurrenceRecord }[]): readonly number[] {
  return entries.map(({ record: { scheduledAt } }) => scheduledAt)
}

describe('a loaded job', () => {
  it('returns its live occurrences of a state, ordered by instant, up to the limit', () => {
    const job = load([record(id, 300), record(id, 100), record(id, 200, { state: 'queued' }), record(id, 400)])
    expect(instantsOf(job.live('pending', Number.POSITIVE_INFINITY))).toEqual([100, 300, 400])
    expect(instantsOf(job.live('pending', 2))).toEqual([100, 300])
    expect(instantsOf(job.live('queued', 1))).toEqual([200])
    expect(job.live('running', 1)).toEqual([])
  })

  it('orders occurrences of the same instant by their ids', () => {
    const [least, greatest] = [addressOf(id, 1).id, addressOf(id, 2).id].sort() as [`occ_${string}`, `occ_${string}`]
    const job = load([record(id, 100, { id: greatest }), record(id, 100, { id: least })])
    expect(job.live('pending', 2).map((entry) => entry.record.id)).toEqual([least, greatest])
  })

  it('computes the numbers of live occurrences from the stored counts and the changes of the step', () => {
    const queued = record(id, 200, { state: 'queued' })
    const job = load([queued], { pending: 1, delayed: 0, queued: 4, running: 2 })
    job.create(record(id, 300, { state: 'running' }))
    job.create(record(id, 400, { state: 'skipped' }))
    const [entry] = job.live('queued', 1)
    job.replace(entry as NonNullable<typeof entry>, { ...queued, state: 'pending' })
    expect(job.counts).toEqual({ pending: 2, delayed: 0, queued: 3, running: 3 })
    job.replace(entry as NonNullable<typeof entry>, { ...queued, state: 'canceled' })
    expect(job.counts).toEqual({ pending: 1, delayed: 0, queued: 3, running: 3 })
  })

  it('finds occurrences that the step created, changed or read, and no other occurrences', () => {
    const job = load([record(id, 100)])
    const created = record(id, 200)
    job.create(created)
    const entry = job.find(addressOf(id, 200))
    expect(entry?.record).toBe(created)
    job.replace(entry as NonNullable<typeof entry>, { ...created, state: 'queued' })
    expect(job.find(addressOf(id, 200))?.record.state).toBe('queued')
    expect(instantsOf(job.live('queued', 9))).toEqual([200])
    expect(job.find(addressOf(id, 300))).toBeUndefined()
  })

  it('writes nothing if the step has changed nothing', () => {
    const job = load([record(id, 100)])
    job.live('pending', 1)
    job.find(addressOf(id, 100))
    expect(job.write).toBeNull()
  })

  it('writes only changed records, each once and together with the entry in which the ledger read the record', () => {
    const read = { record: record(id, 100), revision: 7 }
    const stored = { head, counts: { pending: 2, delayed: 0, queued: 0, running: 0 }, job: head, etag: 'x' }
    const job = new LoadedJob(stored, [read, { record: record(id, 200) }], new Map())
    const [entry] = job.live('pending', 1)
    job.replace(entry as NonNullable<typeof entry>, { ...read.record, state: 'running' })
    job.replace(entry as NonNullable<typeof entry>, { ...read.record, state: 'completed' })
    job.create(record(id, 300))
    const write = job.write
    expect(write?.before).toBe(stored)
    expect(write?.occurrences[0]?.before).toBe(read)
    expect(write?.occurrences.map(({ before, after }) => [before?.record.state, after.state])).toEqual([
      ['pending', 'completed'],
      [undefined, 'pending'],
    ])
    expect(write?.after).toEqual({ head, counts: { pending: 2, delayed: 0, queued: 0, running: 0 }, job: head })
    expect(write?.versions).toEqual([])
  })

  it('moves the next instant and the watermark forward, and never moves the watermark back', () => {
    const job = load([])
    job.advance(100, 200)
    job.advance(50, 300)
    expect([job.head.watermark, job.head.nextAt]).toEqual([100, 300])
    expect(job.write?.after).toMatchObject({ head: { watermark: 100 }, job: { watermark: 100, nextAt: 300 } })
    expect(head.watermark).toBe(0)
  })

  it('moves the watermark of a partially read head forward, and throws if a caller requests the whole head', () => {
    const job = load([], undefined, null)
    job.advance(100, 200)
    expect(job.write?.after).toMatchObject({ head: { watermark: 100, nextAt: 200 }, job: null })
    expect(() => job.job).toThrow(`the step needs the whole head of job ${id}, but has read only a part of it`)
  })

  it('has the head that its method `save` received last, and writes each version record that `save` received', () => {
    const job = load([])
    job.save({ ...head, version: 2 }, { ...version, version: 2 })
    job.save({ ...head, version: 2, changedAt: 9 }, null)
    expect(job.head.version).toBe(2)
    expect(job.write).toMatchObject({ before: { head: { version: 1 } }, after: { job: { version: 2, changedAt: 9 } } })
    expect(job.write?.versions.map((one) => one.version)).toEqual([2])
  })

  it('passes no previous head to the ledger if the job is new', () => {
    const write = LoadedJob.created(head, version).write
    expect(write).toEqual({
      jobId: id,
      before: null,
      after: { head, counts: { pending: 0, delayed: 0, queued: 0, running: 0 }, job: head },
      versions: [version],
      occurrences: [],
    })
  })
})
