import type { OccurrenceAddress, Storage } from '@jobistemer/core/storage'
import { overrideMethods } from './override-methods.ts'

const farAheadMs = 10 * 365 * 86_400_000
const nobody = { node: 'sabotage', incarnation: 'sabotage' }

/** What the end of an occurrence wakes falls asleep again, for years. */
export function forgetWake(storage: Storage): Storage {
  async function putToSleep(now: number, { id }: OccurrenceAddress): Promise<void> {
    const { claimed } = await storage.claim({ now, owner: nobody, limit: 1000, exceptHandlerKeys: [], sweep: false })
    const items = claimed.map(({ id: claimedId, jobId, scheduledAt, token, runs }) => {
      const dueAt = claimedId === id ? now + farAheadMs : now
      const change = { kind: 'release', dueAt, reason: null } as const
      return { id: claimedId, jobId, scheduledAt, token, sequence: 1, runs, change }
    })
    await storage.settle({ now, items })
  }
  return overrideMethods(storage, {
    async settle(request) {
      const answers = await storage.settle(request)
      for (const answer of answers) {
        if (answer.outcome === 'ok' && answer.woken !== null) await putToSleep(request.now, answer.woken)
      }
      return answers.map((answer) => (answer.outcome === 'ok' ? { ...answer, woken: null } : answer))
    },
  })
}
