import { beforeEach, expect, it } from 'vitest'
import { Agenda } from '../src/engine/runtime/agenda.ts'
import { BlockedLoop } from '../src/engine/runtime/blocked-loop.ts'
import { EventHub } from '../src/events.ts'
import { silentLogger } from '../src/logger.ts'
import { type VirtualClock, virtualClock } from '../src/testing/virtual-clock.ts'

let clock: VirtualClock
let running: string[]
let told: { readonly blockedMs: number; readonly jobs: readonly string[] }[]
let blockedLoop: BlockedLoop
/** Simulates a blocked event loop: the monotonic clock advances by this number of milliseconds, and no timer fires. */
let heldMs = 0

beforeEach(() => {
  clock = virtualClock('2026-01-01T00:00:00Z')
  heldMs = 0
  running = []
  told = []
  const events = new EventHub(silentLogger)
  events.on('engine.blocked', (event) => told.push(event))
  const real = { now: clock.now, setTimer: clock.setTimer, monotonic: () => clock.monotonic() + heldMs }
  const agenda = new Agenda({ clock: real, wallNow: clock.now, onSlotsDue: () => undefined })
  agenda.start()
  blockedLoop = new BlockedLoop({ agenda, clock: real, events, logger: silentLogger }, () => running)
  blockedLoop.start()
})

it('BlockedLoop reports nothing if the event loop is blocked for less than a second', async () => {
  running = ['busy']
  await clock.advance({ seconds: 10 })
  heldMs += 900
  await clock.advance({ seconds: 10 })
  expect(told).toEqual([])
})

it('the report of a blocked event loop names at most ten jobs that ran before or during the block', async () => {
  running = ['before']
  await clock.advance({ seconds: 3 })
  running = Array.from({ length: 20 }, (_, index) => `after ${index}`)
  heldMs += 5000
  await clock.advance({ seconds: 1 })
  expect(told).toMatchObject([{ jobs: ['before', ...Array.from({ length: 9 }, (_, index) => `after ${index}`)] }])
})

it('BlockedLoop reports nothing after it was stopped', async () => {
  blockedLoop.stop()
  heldMs += 50_000
  await clock.advance({ seconds: 10 })
  expect(told).toEqual([])
})
