import { once } from 'node:events'
import type { Storage } from '@jobistemer/core/storage'
import type { RacerSetting } from './slot-race.ts'
import { finishItem, slotItem } from './stored-job.ts'

// A child process of a slot race. It creates and starts the same slots as other processes, and finishes and reports the
// occurrences that it has started.

const { module, argument, node, jobs, rounds }: RacerSetting = JSON.parse(process.argv[2] as string)
const { connect }: { connect(argument: unknown): Storage } = await import(module)
const storage = connect(argument)
const owner = { node, incarnation: `${node}-1` }
const started: string[] = []

for (let round = 1; round <= rounds; round++) {
  // Waits for the message that all processes have reached this round, so that every round is a race.
  const go = once(process, 'message')
  process.send?.('ready')
  await go
  const items = jobs.map((jobId) => slotItem(jobId, round))
  const now = items[0]?.scheduledAt ?? 0
  const answers = await storage.createOccurrences({ now, owner, items })
  const mine = items.filter((_, index) => answers[index]?.outcome === 'created')
  for (const [index, answer] of answers.entries()) {
    const isFine = answer.outcome === 'exists' || (answer.outcome === 'created' && answer.state === 'running')
    if (!isFine) {
      const answered = `for slot ${items[index]?.id} the storage answered ${JSON.stringify(answer)}`
      throw new Error(
        `round ${round}: ${answered}, but the storage must create and start the slot, or answer that the slot exists`,
      )
    }
  }
  started.push(...mine.map(({ id }) => id))
  const settled = await storage.settle({ now: now + 20, items: mine.map(({ jobId }) => finishItem(jobId, round)) })
  const refused = settled.find(({ outcome }) => outcome !== 'ok')
  if (refused !== undefined)
    throw new Error(`round ${round}: the storage refused the end of a run: ${JSON.stringify(refused)}`)
}

await storage.close()
// Disconnects only in the callback of `send`, because `send` returns before the message was sent.
process.send?.(started, () => process.disconnect())
