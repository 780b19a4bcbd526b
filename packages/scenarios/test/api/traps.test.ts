import { type Clock, createScheduler, defineJob, type Schedule, type TaskContext } from '@jobistemer/core'
import type { ClaimAnswer } from '@jobistemer/core/storage'
import { cron } from '@jobistemer/ticker-cron'
import { iso8601 } from '@jobistemer/ticker-iso8601'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { rarely } from '../support/rarely.ts'
import { at, createWorld, fates, onlyOccurrence, secondsOf, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

/** Defines a job that records the slots that it ran. */
function noting(schedule: Schedule, settings: { readonly timezone?: string } = {}) {
  const ran: string[] = []
  const run = ({ scheduledAt }: TaskContext) => {
    ran.push(scheduledAt.toISOString().replace(':00.000Z', ''))
  }
  return { ran, job: defineJob({ name: 'noting', schedule, ...settings, tasks: [{ name: 'work', run }] }) }
}

/** Sets the clock to a minute before the instant, and advances the clock by `minutes`. */
async function visit(world: World, instant: string, minutes: number): Promise<void> {
  await world.clock.jumpTo(Date.parse(instant) - 60_000)
  await world.clock.advance({ minutes })
}

describe.each(everywhere)('on the storage $name', (place) => {
  describe('a pruned slot', () => {
    it('never runs again, even on a node whose clock shows a time before the slot', async () => {
      const world = createWorld(place)
      const { ran, job } = noting(everySeconds(60, +at(180)))
      const first = await world.start({ jobs: [job] })
      await world.clock.advance({ minutes: 5 })
      expect(await first.prune({ olderThan: 0 })).toBe(3)
      await world.shutdown(first)
      await world.clock.jumpTo(at(30))
      const second = await world.start({ jobs: [job] })
      await world.clock.advance({ minutes: 5 })
      expect(ran).toHaveLength(3)
      expect(await fates(second, 'noting')).toEqual([])
    })
  })

  describe('a handler that outlives its node while another node takes over the run', () => {
    it('cannot write to a database that compares fencing tokens, because the new owner’s fencing token is higher', async () => {
      const world = createWorld(place)
      const ledger = { token: 0, written: [] as string[], refused: [] as string[] }
      const write = (token: number, text: string) => {
        if (token < ledger.token) {
          ledger.refused.push(text)
          return
        }
        ledger.token = token
        ledger.written.push(text)
      }
      let thaw: () => void = () => undefined
      const frozen = new Promise<void>((resolve) => {
        thaw = resolve
      })
      const run = async ({ fencingToken }: TaskContext) => {
        if (fencingToken === 1) await frozen
        write(fencingToken, `token ${fencingToken}`)
      }
      const settings = { onInterrupted: 'retry', executionTimeout: { minutes: 1 } } as const
      const job = defineJob({ name: 'frozen', schedule: once(at(10)), ...settings, tasks: [{ name: 'work', run }] })
      const first = await world.start({ jobs: [job], nodeId: 'first' })
      await world.clock.advance({ seconds: 11 })
      world.crash(first)
      const second = await world.start({ jobs: [job], nodeId: 'second' })
      await world.clock.advance({ minutes: 3 })
      thaw()
      await world.clock.settle()
      expect(ledger).toEqual({ token: 2, written: ['token 2'], refused: ['token 1'] })
      expect(await onlyOccurrence(second, 'frozen')).toMatchObject({ state: 'completed', node: 'second' })
    })
  })

  describe('a node whose clock is ahead', () => {
    it('does not cause a slot to run twice', async () => {
      const world = createWorld(place)
      const { ran, job } = noting(everySeconds(60, +at(300)))
      const ahead: Clock = { ...world.clock, now: () => world.clock.now() + 20_000 }
      const fast = createScheduler({ jobs: [job], storage: world.connect(), clock: ahead, nodeId: 'fast' })
      await fast.start()
      await world.start({ jobs: [job], nodeId: 'right' })
      await world.clock.advance({ minutes: 7 })
      expect(ran).toEqual([1, 2, 3, 4, 5].map((minute) => `2026-01-01T00:0${minute}`))
      await world.shutdown(fast)
    })
  })

  describe('a node that claims its own run again after a node with a wrong clock has reaped the run', () => {
    it('aborts the first attempt’s handler at once, and settles the second attempt only after that handler’s end', async () => {
      const world = createWorld(place)
      const log: string[] = []
      const run = async ({ attempt, signal }: TaskContext) => {
        log.push(`${attempt} starts`)
        signal.addEventListener('abort', () => log.push(`${attempt} is aborted: ${signal.reason.code}`))
        await world.clock.sleep({ seconds: 60 })
        log.push(`${attempt} ends`)
      }
      const settings = { onInterrupted: 'retry', executionTimeout: { minutes: 10 } } as const
      const job = defineJob({ name: 'taken', schedule: once(at(10)), ...settings, tasks: [{ name: 'work', run }] })
      const node = await world.start({ jobs: [job], nodeId: 'node', pollInterval: { seconds: 1 } })
      await world.clock.advance({ seconds: 12 })
      const ahead: Clock = { ...world.clock, now: () => world.clock.now() + 3_600_000 }
      const nothing: ClaimAnswer = { claimed: [], cancelRequested: [], more: false, nextDueAt: null }
      const wrong = createScheduler({
        storage: { ...new InterceptedStorage(world.connect()).storage, claim: async () => nothing },
        clock: ahead,
        ...tuned({ reapInterval: { seconds: 5 } }),
      })
      await wrong.start()
      await world.clock.advance({ seconds: 7 })
      await world.shutdown(wrong)
      expect(log).toEqual(['1 starts', '1 is aborted: OCCURRENCE_LOST', '2 starts'])
      await world.clock.advance({ seconds: 55 })
      expect(log.slice(3)).toEqual(['1 ends'])
      const stopping = node.shutdown({ gracePeriod: 0, abortGracePeriod: { minutes: 5 } })
      await world.clock.advance({ minutes: 2 })
      await stopping
      expect(log.slice(4)).toEqual(['2 is aborted: ABORTED', '2 ends'])
      expect(await onlyOccurrence(node, 'taken')).toMatchObject({ state: 'completed', node: 'node' })
    })
  })

  describe('a schedule with a fixed local time', () => {
    it('fires once, after the hour that daylight saving time skips, although two of its times lie in this hour', async () => {
      const world = createWorld(place)
      const { ran, job } = noting(cron('0,30 2 * * *', { timezone: 'Europe/Berlin' }))
      await world.clock.jumpTo('2026-03-28T12:00:00Z')
      const scheduler = await world.start({ jobs: [job], ...rarely })
      expect((await scheduler.nextRuns('noting', 3)).map((run) => run.toISOString())).toEqual([
        '2026-03-29T01:00:00.000Z',
        '2026-03-30T00:00:00.000Z',
        '2026-03-30T00:30:00.000Z',
      ])
      await visit(world, '2026-03-29T01:00:00Z', 45)
      expect(ran).toEqual(['2026-03-29T01:00'])
    })

    it('fires only the first time if the local time occurs twice at the end of daylight saving time', async () => {
      const world = createWorld(place)
      const { ran, job } = noting(cron('30 2 * * *', { timezone: 'Europe/Berlin' }))
      await world.clock.jumpTo('2026-10-24T12:00:00Z')
      await world.start({ jobs: [job], ...rarely })
      await visit(world, '2026-10-25T00:30:00Z', 90)
      expect(ran).toEqual(['2026-10-25T00:30'])
    })

    it('fires both times under `fold: both` if the local time occurs twice at the end of daylight saving time', async () => {
      const world = createWorld(place)
      const { ran, job } = noting(cron('30 2 * * *', { timezone: 'Europe/Berlin', dst: { fold: 'both' } }))
      await world.clock.jumpTo('2026-10-24T12:00:00Z')
      await world.start({ jobs: [job], ...rarely })
      await visit(world, '2026-10-25T00:30:00Z', 90)
      expect(ran).toEqual(['2026-10-25T00:30', '2026-10-25T01:30'])
    })
  })

  describe('a cron schedule for the last day of each month', () => {
    it('fires on the 28th in February, and on the 31st in January and March', async () => {
      const world = createWorld(place)
      const { ran, job } = noting(cron('0 0 L * *'))
      await world.start({ jobs: [job], ...rarely })
      for (const day of ['2026-01-31', '2026-02-28', '2026-03-31']) await visit(world, `${day}T00:00:00Z`, 3)
      expect(ran).toEqual(['2026-01-31T00:00', '2026-02-28T00:00', '2026-03-31T00:00'])
    })
  })

  describe('an ISO 8601 interval of one month', () => {
    /** Starts a new node around each of the instants, one after the other. Returns the slots that these nodes ran. */
    async function ranAt(interval: string, timezone: string, instants: readonly string[]): Promise<string[]> {
      const world = createWorld(place)
      const { ran, job } = noting(iso8601(interval, { timezone }))
      await world.clock.jumpTo(Date.parse(`${instants[0]}:00Z`) - 3_600_000)
      for (const instant of instants) {
        const scheduler = await world.start({ jobs: [job], ...rarely })
        await visit(world, `${instant}:00Z`, 75)
        await world.shutdown(scheduler)
      }
      return ran
    }

    it('that starts on the 31st fires on the last day of each month', async () => {
      const days = ['2026-01-31', '2026-02-28', '2026-03-31', '2026-04-30', '2026-05-31']
      const instants = days.map((day) => `${day}T00:00`)
      expect(await ranAt('R/2026-01-31T00:00/P1M', 'UTC', instants)).toEqual(instants)
    })

    it('that starts on the 30th of a month fires on 29 February in a leap year', async () => {
      const instants = ['2028-01-30T06:00', '2028-02-29T06:00', '2028-03-30T06:00']
      expect(await ranAt('R/2028-01-30T06:00/P1M', 'UTC', instants)).toEqual(instants)
    })

    it('keeps the local time of day in winter and in summer', async () => {
      // 00:30 in Berlin.
      const instants = ['2026-01-30T23:30', '2026-02-27T23:30', '2026-03-30T22:30', '2026-04-29T22:30']
      expect(await ranAt('R/2026-01-31T00:30/P1M', 'Europe/Berlin', instants)).toEqual(instants)
    })

    it('fires an hour later if its local time lies in the hour that daylight saving time skips', async () => {
      const instants = ['2026-01-29T01:30', '2026-02-28T01:30', '2026-03-29T01:30', '2026-04-29T00:30']
      expect(await ranAt('R/2026-01-29T02:30/P1M', 'Europe/Berlin', instants)).toEqual(instants)
    })

    it('fires only the first time if its local time occurs twice at the end of daylight saving time', async () => {
      const instants = ['2026-09-25T00:30', '2026-10-25T00:30', '2026-11-25T01:30']
      expect(await ranAt('R/2026-09-25T02:30/P1M', 'Europe/Berlin', instants)).toEqual(instants)
    })

    it('with a count ends after its last repetition, even if its node restarts', async () => {
      const instants = ['2026-01-31T00:00', '2026-02-28T00:00', '2026-03-31T00:00', '2026-04-30T00:00']
      expect(await ranAt('R3/2026-01-31T00:00/P1M', 'UTC', instants)).toEqual(instants.slice(0, 3))
    })
  })

  describe('a queued run that the storage has failed to wake', () => {
    it.each([1, 5])(
      'is found by each node at its start and once a minute, even if the node polls only every %i s',
      async (seconds) => {
        const world = createWorld(place)
        const { job } = noting(everySeconds(100_000))
        for (const nodeId of ['first', 'second']) {
          const intercepted = new InterceptedStorage(world.connect())
          const sweptAt: number[] = []
          intercepted.intercept = ({ operation, request, proceed }) => {
            if (operation === 'claim' && (request as { sweep: boolean }).sweep) sweptAt.push(world.clock.monotonic())
            return proceed()
          }
          const startedAt = world.clock.monotonic()
          await world.start({ jobs: [job], nodeId, storage: intercepted.storage, pollInterval: { seconds } })
          await world.clock.advance({ seconds: 130 })
          expect(sweptAt.map((instant) => (instant - startedAt) / 1000)).toEqual([0, 60, 120])
        }
      },
    )
  })

  describe('a storage without wake-ups', () => {
    it('delays a pending run by at most one poll interval', async () => {
      const world = createWorld(place)
      const started: number[] = []
      const run = async () => {
        started.push(secondsOf(world.clock.now()))
        await world.clock.sleep({ seconds: 30 })
      }
      const jobs = ['a', 'b'].map((name) => defineJob({ name, schedule: once(at(10)), tasks: [{ name: 'work', run }] }))
      const deaf = () => {
        const { subscribe: _, ...storage } = new InterceptedStorage(world.connect()).storage
        return storage
      }
      const options = { jobs, maxConcurrentJobs: 1, pollInterval: { seconds: 4 } }
      await world.start({ ...options, storage: deaf() })
      await world.clock.advance({ seconds: 11 })
      expect(started).toEqual([10])
      await world.start({ ...options, storage: deaf() })
      await world.clock.advance({ minutes: 1 })
      expect(started).toEqual([10, expect.toSatisfy((second: number) => second <= 15)])
    })
  })

  describe('a slot that is months ahead', () => {
    it('does not fire early: no timer exceeds a day, because Node.js fires a timer of 25 days or more at once', async () => {
      const world = createWorld(place)
      const { ran, job } = noting(once('2026-04-01T00:00:00Z'))
      const delays: number[] = []
      const clock: Clock = {
        ...world.clock,
        setTimer(delayMs, callback, options) {
          delays.push(delayMs)
          return world.clock.setTimer(delayMs, callback, options)
        },
      }
      const scheduler = createScheduler({ jobs: [job], storage: world.connect(), clock, ...rarely })
      await scheduler.start()
      await world.clock.advance({ minutes: 5 })
      expect(ran).toEqual([])
      expect(Math.max(...delays)).toBeLessThanOrEqual(86_400_000)
      await visit(world, '2026-04-01T00:00:00Z', 2)
      expect(ran).toEqual(['2026-04-01T00:00'])
      await world.shutdown(scheduler)
    })
  })

  describe('a replay that is requested at the instant of a slot', () => {
    it('does not replace the slot', async () => {
      const world = createWorld(place)
      const { ran, job } = noting(everySeconds(60, +at(120)))
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 90 })
      const { id } = await onlyOccurrence(scheduler, 'noting')
      await world.clock.advanceTo(at(118))
      await world.clock.jumpTo(at(120))
      await scheduler.replay(id, { reason: 'once more' })
      await world.clock.advance({ minutes: 2 })
      expect(ran.toSorted()).toEqual(['2026-01-01T00:01', '2026-01-01T00:01', '2026-01-01T00:02'])
    })
  })
})
