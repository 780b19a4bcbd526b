import { jobId, occurrenceId } from '@jobistemer/core'
import type { CreateSlot, SettleItem, Storage, TaskRunRecord } from '@jobistemer/core/storage'
import { jobCount } from './engine-round.ts'

const instant = Date.parse('2026-01-01T00:00:00Z')

/**
 * The storage calls of one-task occurrences of `count` jobs that are due at once, without an engine: items and ids are
 * made before the clock starts.
 */
export async function runBareCalls(
  storage: Storage,
  seconds: number,
  count: number = jobCount,
): Promise<{ readonly perSecond: number }> {
  const jobs = Array.from({ length: count }, (_, index) => `job-${index}`)
  const ids = jobs.map((name) => jobId(name))
  await storage.saveJobs({
    now: instant,
    changes: jobs.map((name, index) => ({
      kind: 'create',
      id: ids[index] ?? jobId(name),
      content: {
        name,
        owner: null,
        fingerprint: 'f',
        definition: {},
        handlerKey: name,
        overlap: { policy: 'skip', maxQueued: 1000 },
        timeline: [{ after: null, until: null, schedule: { type: 'cron' } }],
        nextAt: instant + 1000,
      },
    })),
  })
  const rounds = Array.from({ length: seconds }, (_, index) => roundOf(ids, instant + (index + 1) * 1000))
  const owner = { node: 'node', incarnation: 'one' }
  const startedAt = performance.now()
  for (const { at, creates, settles } of rounds) {
    await storage.createOccurrences({ now: at, owner, items: creates })
    await storage.settle({ now: at, items: settles })
  }
  return { perSecond: (seconds * count * 1000) / (performance.now() - startedAt) }
}

function roundOf(ids: readonly ReturnType<typeof jobId>[], at: number) {
  const creates: CreateSlot[] = []
  const settles: SettleItem[] = []
  for (const id of ids) {
    const address = { id: occurrenceId(id, at), jobId: id, scheduledAt: at }
    creates.push({
      ...address,
      kind: 'slot',
      jobVersion: 1,
      nextAt: at + 1000,
      executionTimeoutMs: 3_600_000,
      details: {},
      runs: [runOf(at, null)],
    })
    const change = { kind: 'finish', state: 'completed', reason: null } as const
    settles.push({ ...address, token: 1, sequence: 1, runs: [runOf(at, at)], change })
  }
  return { at, creates, settles }
}

function runOf(startedAt: number, endedAt: number | null): TaskRunRecord {
  const done = endedAt !== null
  return {
    task: 'work',
    state: done ? 'completed' : 'running',
    attempts: [{ number: 1, state: done ? 'succeeded' : 'running', startedAt, endedAt }],
  }
}
