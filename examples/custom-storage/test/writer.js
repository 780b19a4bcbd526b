import { jobId, occurrenceId } from '@jobistemer/core'
import { journalStorage } from 'custom-storage-example'

// This program creates a run of one slot after another, and ends each run. It prints each slot whose run the storage has
// acknowledged, until the test kills this process.

const [file] = process.argv.slice(2)
const storage = journalStorage({ file })
const id = jobId('endless')
const owner = { node: 'writer', incarnation: 'writer-1' }
const minute = 60_000

const schedule = { type: 'every', minutes: 1 }
const definition = { name: 'endless' }
const content = {
  name: 'endless',
  owner: null,
  fingerprint: 'print',
  definition,
  handlerKey: 'endless',
  overlap: /** @type {const} */ ({ policy: 'skip', maxQueued: 1 }),
  timeline: [{ after: null, until: null, schedule }],
  nextAt: minute,
}
await storage.saveJobs({ now: 0, changes: [{ kind: 'create', id, content }] })

for (let scheduledAt = minute; ; scheduledAt += minute) {
  const address = { id: occurrenceId(id, scheduledAt), jobId: id, scheduledAt }
  const item = {
    ...address,
    kind: /** @type {const} */ ('slot'),
    jobVersion: 1,
    nextAt: scheduledAt + minute,
    executionTimeoutMs: minute,
    details: {},
    runs: [],
  }
  await storage.createOccurrences({ now: scheduledAt, owner, items: [item] })
  const change = /** @type {const} */ ({ kind: 'finish', state: 'completed', reason: null })
  await storage.settle({ now: scheduledAt, items: [{ ...address, token: 1, sequence: 1, runs: [], change }] })
  process.stdout.write(`${scheduledAt}\n`)
}
