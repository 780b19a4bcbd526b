import { expect, it } from 'vitest'
import { Capacity } from '../src/engine/execution/capacity.ts'
import { NextOccurrenceTaker } from '../src/engine/execution/next-runs.ts'
import { Agenda } from '../src/engine/runtime/agenda.ts'
import type { EngineContext } from '../src/engine/storage-access/engine-context.ts'
import { jobId } from '../src/ids.ts'
import type { OccurrenceRecord } from '../src/storage/occurrence-record.ts'
import { virtualClock } from '../src/testing/virtual-clock.ts'

const job = jobId('report')

it('a search for claims without an answer hands back no occurrence that the node took next and does not run yet', async () => {
  const clock = virtualClock(0)
  const agenda = new Agenda({ clock, wallNow: () => clock.now(), onSlotsDue: () => undefined })
  const engine = { agenda, clock, isHeldBack: false } as unknown as EngineContext
  const taker = new NextOccurrenceTaker(engine, new Capacity(engine, { limit: 1, prefetch: 0 }))
  let load = (): void => undefined
  taker.runner = {
    runNext: () => new Promise((resolve) => (load = resolve)),
    lookForUnanswered: () => undefined,
  }
  const taken = {} as OccurrenceRecord
  taker.woken(job)
  expect(taker.mayTake(job)).toBe(true)
  const running = taker.answered(job, { outcome: 'ok', woken: null, cancelRequested: null, taken })
  expect([taker.isAwaited(job), taker.mayTake(job)]).toEqual([true, false])
  load()
  await running
  expect([taker.isAwaited(job), taker.mayTake(job)]).toEqual([false, true])
})
