import type { OccurrenceAddress, SettleAnswer, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

const farAheadMs = 10 * 365 * 86_400_000
const noNode = { node: 'sabotage', incarnation: 'sabotage' }

/** Breaks the storage: when an occurrence ends and wakes a queued one, the queued one is due only ten years later. */
export function forgetWake(storage: Storage): Storage {
  async function putToSleep(now: number, woken: OccurrenceAddress): Promise<void> {
    const { claimed } = await storage.claim({ now, owner: noNode, limit: 1000, exceptHandlerKeys: [], sweep: false })
    const items = claimed.map(({ id, jobId, scheduledAt, token, runs }) => {
      const dueAt = id === woken.id ? now + farAheadMs : now
      return {
        id,
        jobId,
        scheduledAt,
        token,
        sequence: 1,
        runs,
        change: { kind: 'release', dueAt, reason: null },
      } as const
    })
    await storage.settle({ now, items })
  }
  return wrapStorage(storage, {
    async settle(request) {
      const answers = await storage.settle(request)
      const forgotten: SettleAnswer[] = []
      for (const answer of answers) {
        if (answer.outcome !== 'ok' || answer.woken === null) {
          forgotten.push(answer)
          continue
        }
        await putToSleep(request.now, answer.woken)
        forgotten.push({ ...answer, woken: null })
      }
      return forgotten
    },
  })
}
