import { beforeEach, expect, it } from 'vitest'
import { AfterTurn } from '../src/engine/runtime/after-turn.ts'
import { Agenda } from '../src/engine/runtime/agenda.ts'
import { BackgroundLoop, EngineStopped } from '../src/engine/runtime/background-loop.ts'
import { type VirtualClock, virtualClock } from '../src/testing/virtual-clock.ts'

let clock: VirtualClock
let failures: unknown[]
/** The rounds that the background loop has begun. The test ends a round with its `end` or `fail`. */
let rounds: { readonly byAlarm: boolean; readonly end: () => void; readonly fail: (error: unknown) => void }[]

function loop(options: { again?: () => void } = {}): BackgroundLoop {
  const agenda = new Agenda({ clock, wallNow: () => clock.now(), onSlotsDue: () => undefined })
  agenda.start()
  const fail = (where: string, error: unknown) => failures.push([where, error])
  const round = (byAlarm: boolean) =>
    new Promise<void>((resolve, reject) => rounds.push({ byAlarm, end: resolve, fail: reject }))
  return new BackgroundLoop({ agenda, fail }, { name: 'work', round, ...options })
}

beforeEach(() => {
  clock = virtualClock('2026-01-01T00:00:00Z')
  failures = []
  rounds = []
})

it('a background loop runs one further round after any number of wake calls during a round', async () => {
  const work = loop()
  work.run()
  work.run()
  work.run()
  expect([rounds.length, work.isAskedAgain]).toEqual([1, true])
  rounds[0]?.end()
  await clock.settle()
  expect([rounds.length, work.isAskedAgain]).toEqual([2, false])
  rounds[1]?.end()
  await clock.settle()
  expect([rounds.length, work.underWay]).toEqual([2, null])
})

it('a background loop that is woken during a round calls its option `again` instead of starting the next round', async () => {
  let asked = 0
  const work = loop({ again: () => asked++ })
  work.run()
  work.run()
  rounds[0]?.end()
  await clock.settle()
  expect([asked, rounds.length]).toEqual([1, 1])
})

it('a background loop whose alarm is set again starts a round at the new time, and marks the round as started by alarm', async () => {
  const work = loop()
  work.runIn(100)
  work.runIn(50)
  await clock.advance(50)
  rounds[0]?.end()
  await clock.advance(100)
  work.run()
  expect(rounds.map(({ byAlarm }) => byAlarm)).toEqual([true, false])
})

it('a background loop reports every error of a round except EngineStopped, and continues with the next round', async () => {
  const work = loop()
  const error = new Error('no')
  work.run()
  rounds[0]?.fail(error)
  await clock.settle()
  work.run()
  rounds[1]?.fail(new EngineStopped())
  await clock.settle()
  work.run()
  expect([rounds.length, failures]).toEqual([3, [['work', error]]])
})

it('a background loop starts the next round 60 s after a round that failed before it set the alarm, and not while it is stopped', async () => {
  const work = loop()
  work.run()
  rounds[0]?.fail(new Error('no'))
  await clock.advance(59_999)
  expect(rounds).toHaveLength(1)
  await clock.advance(1)
  expect(rounds).toHaveLength(2)
  work.runIn(10)
  rounds[1]?.fail(new Error('no'))
  await clock.advance(10)
  expect(rounds).toHaveLength(3)
  const stopped = work.stop()
  rounds[2]?.fail(new Error('no'))
  await stopped
  await clock.advance(120_000)
  expect(rounds).toHaveLength(3)
})

it('a background loop starts the next round 60 s after a failed round, although an alarm was set for the next day', async () => {
  const work = loop()
  work.runIn(86_400_000)
  work.run()
  rounds[0]?.fail(new Error('no'))
  await clock.advance(60_000)
  expect(rounds).toHaveLength(2)
})

it('a stopped background loop finishes the round in progress and starts no further round', async () => {
  const work = loop()
  work.run()
  work.run()
  work.runIn(10)
  let isStopped = false
  const stopping = work.stop().then(() => {
    isStopped = true
  })
  await clock.settle()
  expect(isStopped).toBe(false)
  rounds[0]?.end()
  await stopping
  work.run()
  work.runIn(10)
  await clock.advance(100)
  expect([rounds.length, work.isStopped]).toEqual([1, true])
})

it('if `ask` of AfterTurn is called several times in one turn of the event loop, AfterTurn calls its function once after this turn', async () => {
  let done = 0
  const flush = new AfterTurn(() => done++)
  flush.ask()
  flush.ask()
  expect(done).toBe(0)
  await clock.settle()
  expect(done).toBe(1)
  flush.ask()
  await clock.settle()
  expect(done).toBe(2)
})
