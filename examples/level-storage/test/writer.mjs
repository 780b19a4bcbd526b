// This program creates a run of one slot after another, and ends each run. It prints each slot whose run the storage has
// acknowledged, until the test kills this process.
import { jobId, occurrenceId } from '@jobistemer/core'
import { levelStorage } from 'level-storage-example'

const storage = levelStorage({ folder: String(process.argv[2]) })
const job = jobId('endless')
const content = {
  name: 'endless',
  owner: null,
  fingerprint: 'first',
  definition: {},
  handlerKey: job,
  overlap: /** @type {const} */ ({ policy: 'skip', maxQueued: 10 }),
  timeline: [{ after: null, until: null, schedule: { type: 'every-second' } }],
  nextAt: 1000,
}
await storage.saveJobs({ now: 0, changes: [{ kind: 'create', id: job, content }] })
const { jobs } = await storage.get({ jobs: [job] })
const owner = { node: 'writer', incarnation: String(process.pid) }
for (let at = jobs[0]?.nextAt ?? 1000; ; at += 1000) {
  const address = { id: occurrenceId(job, at), jobId: job, scheduledAt: at }
  const running = await storage.listOccurrences({ kind: 'live', state: 'running', runs: true, limit: 10, cursor: null })
  const items = running.items.map(({ id, jobId, scheduledAt, token, sequence }) => {
    return {
      id,
      jobId,
      scheduledAt,
      token,
      sequence,
      runs: [],
      action: /** @type {const} */ ('fail'),
      reason: 'killed',
    }
  })
  await storage.reap({ now: at, items })
  const slot = { jobVersion: 1, nextAt: at + 1000, executionTimeoutMs: 1000, details: {}, runs: [] }
  await storage.createOccurrences({ now: at, owner, items: [{ kind: 'slot', ...address, ...slot }] })
  const change = /** @type {const} */ ({ kind: 'finish', state: 'completed', reason: null })
  await storage.settle({ now: at, items: [{ ...address, token: 1, sequence: 1, runs: [], change }] })
  console.log(at)
}
