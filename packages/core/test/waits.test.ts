import { expect, it } from 'vitest'
import { Waits } from '../src/engine/api/waits.ts'
import type { EngineContext } from '../src/engine/storage-access/engine-context.ts'
import { EventHub, type SchedulerEvents } from '../src/events.ts'
import { jobId, occurrenceId } from '../src/ids.ts'
import { silentLogger } from '../src/logger.ts'
import { virtualClock } from '../src/testing/virtual-clock.ts'
import { record } from './support/ledger-calls.ts'

it('all waiting calls share one listener for ends of runs, and the last call removes it', async () => {
  const events = new EventHub(silentLogger)
  let listeners = 0
  const on = events.on.bind(events)
  events.on = (name, listener) => {
    listeners++
    const off = on(name, listener)
    return () => {
      listeners--
      off()
    }
  }
  const job = jobId('awaited')
  let state: 'running' | 'completed' = 'running'
  const instants = Array.from({ length: 100 }, (_, index) => index)
  const recordOf = (instant: number) => record(job, instant, { state, finishedAt: state === 'running' ? null : 1000 })
  const engine = { clock: virtualClock(0), events } as unknown as EngineContext
  const waits = new Waits(engine, async (id) => {
    return recordOf(instants.find((instant) => occurrenceId(job, instant) === id) as number)
  })
  const ended = instants.map((instant) => waits.waitFor(occurrenceId(job, instant), {}))
  // Lets each call read its occurrence and begin its pause.
  await new Promise(setImmediate)
  expect(listeners).toBe(1)
  state = 'completed'
  for (const instant of instants) {
    const event = { occurrenceId: occurrenceId(job, instant) } as SchedulerEvents['occurrence.finished']
    events.emit('occurrence.finished', event)
  }
  expect((await Promise.all(ended)).map((occurrence) => occurrence.state)).toEqual(instants.map(() => 'completed'))
  expect(listeners).toBe(0)
})
