import { expect, it } from 'vitest'
import { OverriddenDefinitions } from '../src/engine/definitions/definition-precedence.ts'
import type { RegisteredJob } from '../src/engine/definitions/registered-job.ts'
import { jobId } from '../src/ids.ts'
import type { JobRecord } from '../src/storage/job-record.ts'

const deadAfterMs = 30_000
const own = { fingerprint: 'own', release: undefined, hasFollowed: true }
const job = { origin: 'jobs' } as RegisteredJob

/** Makes an `OverriddenDefinitions` for a node without peers. The monotonic clock of the node returns the member `at`. */
function followedBy() {
  const clock = { monotonic: () => followed.at }
  const engine = { clock, events: { emit: () => {} }, logger: { warn: () => {} } }
  const others = { tell: async () => {}, look: async () => {}, have: () => false }
  const jobs = new OverriddenDefinitions(engine as never, { others, deadAfterMs })
  const followed = { jobs, at: 1000 }
  return followed
}

function record(changes: Partial<JobRecord> = {}): JobRecord {
  const stored = { version: 2, createdAt: 1, fingerprint: 'other', lineage: ['own'], definition: {} }
  return { id: jobId('job'), name: 'job', ...stored, ...changes } as JobRecord
}

it('a node may put its own definition of a job back into force if no living node has the stored definition', async () => {
  const { jobs } = followedBy()
  jobs.add(job, own, record())
  expect(await jobs.returning()).toEqual([job])
})

it('if the storage lost a job and received it again, a node without peers may put its definition back into force at once', async () => {
  const { jobs } = followedBy()
  jobs.add(job, own, record())
  jobs.add(job, own, record({ createdAt: 2, version: 1, lineage: [] }))
  expect(await jobs.returning()).toEqual([job])
})

it('a node whose restored definition was replaced again waits `deadAfter` before it restores the definition once more', async () => {
  const followed = followedBy()
  followed.jobs.add(job, own, record())
  followed.jobs.putBack(jobId('job'))
  followed.jobs.delete(jobId('job'))
  followed.jobs.add(job, own, record({ version: 4 }))
  expect(await followed.jobs.returning()).toEqual([])
  followed.at += deadAfterMs
  expect(await followed.jobs.returning()).toEqual([job])
})
