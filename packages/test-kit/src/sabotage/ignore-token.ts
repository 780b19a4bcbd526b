import type { SettleAnswer, SettleItem, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'

/** Breaks the storage: it accepts the settle of a former owner, while a later owner runs the occurrence. */
export function ignoreToken(storage: Storage): Storage {
  async function say(now: number, item: SettleItem, refusal: SettleAnswer): Promise<SettleAnswer> {
    const { occurrences } = await storage.get({ occurrences: [item.id] })
    const [record] = occurrences
    if (record == null || record.state !== 'running') return refusal
    const forged = { ...item, token: record.token, owner: record.owner, sequence: record.sequence + 1 }
    const [answer] = await storage.settle({ now, items: [forged] })
    return answer as SettleAnswer
  }
  return wrapStorage(storage, {
    async settle(request) {
      const answers = await storage.settle(request)
      return await Promise.all(
        answers.map((answer, index) =>
          answer.outcome === 'ok' ? answer : say(request.now, request.items[index] as SettleItem, answer),
        ),
      )
    },
  })
}
