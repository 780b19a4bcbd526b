import { beforeEach, expect, it } from 'vitest'
import { Agenda } from '../src/engine/runtime/agenda.ts'
import { BlockedLoop } from '../src/engine/runtime/blocked-loop.ts'
import { EventHub } from '../src/events.ts'
import { silentLogger } from '../src/logger.ts'
import { type VirtualClock, virtualClock } from '../src/testing/virtual-clock.ts'

let clock: VirtualClock
let running: string[]
let told: { readonly blockedMs: number; readonly jobs: readonly string[] }[]
let blamed: string[]
let blockedLoop: BlockedLoop
/** Simulates a blocked event loop: the monotonic clock advances by this number of milliseconds, and no timer fires. */
let heldMs = 0

beforeEach(() => {
  clock = virtualClock('2026-01-01T00:00:00Z')
  heldMs = 0
  running = []
  told = []
  blamed = []
  const events = new EventHub(silentLogger)
  events.on('engine.blocked', (event) => told.push(event))
  const real = { now: clock.now, setTimer: clock.setTimer, monotonic: () => clock.monotonic() + heldMs }
  const agenda = new Agenda({ clock: real, wallNow: clock.now, onSlotsDue: () => undefined })
  agenda.start()
  blockedLoop = new BlockedLoop(
    { agenda, clock: real, events, logger: silentLogger },
    () => running,
    (jobName) => {
      blamed.push(jobName)
    },
  )
  blockedLoop.start()
})

it('BlockedLoop reports nothing if the event loop is blocked for less than a second', async () => {
  running = ['busy']
  await clock.advance({ seconds: 10 })
  heldMs += 900
  await clock.advance({ seconds: 10 })
  expect(told).toEqual([])
})

it('the report of a blocked event loop names only the job whose handler blocked it', async () => {
  running = ['innocent']
  await clock.advance({ seconds: 3 })
  heldMs += 25_000
  blockedLoop.held('guilty', 25_000)
  await clock.advance({ seconds: 3 })
  expect(told).toEqual([{ blockedMs: 25_000, jobs: ['guilty'] }])
})

it('if the cause of a blocked event loop is unknown, its report names at most ten jobs that ran before or during the block', async () => {
  running = ['before']
  await clock.advance({ seconds: 3 })
  running = Array.from({ length: 20 }, (_, index) => `after ${index}`)
  heldMs += 5000
  await clock.advance({ seconds: 1 })
  expect(told).toMatchObject([{ jobs: ['before', ...Array.from({ length: 9 }, (_, index) => `after ${index}`)] }])
})

it('the report of a blocked event loop names neither quick handlers nor handlers that were slow only before the block', async () => {
  blockedLoop.held('slow long ago', 700)
  await clock.advance({ seconds: 3 })
  blockedLoop.held('quick', 400)
  heldMs += 5000
  await clock.advance({ seconds: 1 })
  expect(told).toMatchObject([{ jobs: [] }])
})

it('a job is blamed for a blocked event loop if one call of its handler took at least half of the block', async () => {
  heldMs += 20_000
  blockedLoop.held('guilty', 10_000)
  await clock.advance({ seconds: 3 })
  expect(blamed).toEqual(['guilty'])
})

it('no job is blamed for a blocked event loop if no handler ran for half of the block or more, and the process used no CPU', async () => {
  running = ['innocent']
  heldMs += 20_000
  await clock.advance({ seconds: 3 })
  heldMs += 20_000
  blockedLoop.held('slow', 9000)
  await clock.advance({ seconds: 3 })
  expect([told.length, blamed]).toEqual([2, []])
})

it('BlockedLoop reports nothing after it was stopped', async () => {
  blockedLoop.stop()
  heldMs += 50_000
  await clock.advance({ seconds: 10 })
  expect(told).toEqual([])
})
