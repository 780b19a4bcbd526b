import {
  defineJob,
  type Job,
  type JobSettingsInput,
  occurrenceId,
  type RecoveryStrategyInput,
  type TaskContext,
} from '@jobistemer/core'
import type { OccurrenceQuery } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere, memory } from '../support/places.ts'
import { at, createWorld, fates, listen, secondsOf, type World } from '../support/world.ts'

interface Run {
  readonly slot: number
  readonly at: number
  readonly recovered: boolean
  readonly span: unknown
  readonly latenessMs: number
}

function recording(world: World, settings: JobSettingsInput & { every?: number; until?: number; takes?: number }) {
  const { every = 60, until = Number.POSITIVE_INFINITY, takes = 0, ...jobSettings } = settings
  const runs: Run[] = []
  const run = async ({ scheduledAt, recovered, span, latenessMs }: TaskContext) => {
    const seen = span && [secondsOf(span.from), secondsOf(span.to), span.count]
    runs.push({ slot: secondsOf(scheduledAt), at: secondsOf(world.clock.now()), recovered, span: seen, latenessMs })
    if (takes > 0) await world.clock.sleep({ seconds: takes })
  }
  const schedule = everySeconds(every, Number.isFinite(until) ? +at(until) : until)
  const tasks = [{ name: 'work', run }]
  // Under `queue`, slots that come due during the recovered runs are queued, not skipped.
  const job = defineJob({ name: 'recording', schedule, overlapPolicy: 'queue', ...jobSettings, tasks })
  return { job, runs, slots: () => runs.map(({ slot }) => slot) }
}

/**
 * Runs a node with the job until the slot at 60 s has run, and shuts this node down. Starts another node at `until`, in
 * seconds after the start of the virtual clock.
 */
async function outage(world: World, job: Job, until: number) {
  const first = await world.start({ jobs: [job] })
  await world.clock.advance({ seconds: 65 })
  await world.shutdown(first)
  await world.clock.advanceTo(at(until))
  const second = await world.start({ jobs: [job] })
  await world.clock.advance(0)
  return second
}

describe.each(everywhere)('on the storage $name', (place) => {
  describe('after an outage of five minutes', () => {
    const until = 370
    const missed = [120, 180, 240, 300]

    it('execute_all runs every missed slot in order, one after another', async () => {
      const world = createWorld(place)
      const { job, runs, slots } = recording(world, { recoveryStrategy: 'execute_all', takes: 5 })
      await outage(world, job, until)
      await world.clock.advance({ seconds: 40 })
      expect(slots()).toEqual([60, ...missed, 360])
      expect(runs.map((run) => run.at)).toEqual([60, 370, 375, 380, 385, 390])
      expect(runs.map((run) => run.recovered)).toEqual([false, true, true, true, true, false])
    })

    it('execute_last, the default, runs the last missed slot and stores the earlier slots as missed', async () => {
      const world = createWorld(place)
      const { job, runs } = recording(world, {})
      const scheduler = await outage(world, job, until)
      await world.clock.advance({ seconds: 10 })
      expect(runs.slice(1)).toEqual([
        { slot: 300, at: 370, recovered: true, span: null, latenessMs: 70_000 },
        { slot: 360, at: 370, recovered: false, span: null, latenessMs: 10_000 },
      ])
      expect(await fates(scheduler, 'recording')).toEqual([
        '60 completed',
        '120-240 (3) missed execute_last',
        '300 completed',
        '360 completed',
      ])
    })

    it('mark_as_missed runs no missed slot', async () => {
      const world = createWorld(place)
      const { job, slots } = recording(world, { recoveryStrategy: 'mark_as_missed' })
      const scheduler = await outage(world, job, until)
      await world.clock.advance({ seconds: 100 })
      expect(slots()).toEqual([60, 360, 420])
      expect((await fates(scheduler, 'recording'))[1]).toBe('120-300 (4) missed mark_as_missed')
    })

    it('the record of a single missed slot has the id that a run of that slot would have', async () => {
      const world = createWorld(place)
      const { job } = recording(world, { recoveryStrategy: 'mark_as_missed' })
      const scheduler = await outage(world, job, 185)
      const [, missed] = (await scheduler.occurrences({ job: 'recording' })).items
      expect(missed).toMatchObject({ id: occurrenceId(job.id, at(120)), state: 'missed', scheduledAt: at(120) })
      expect(await scheduler.explain('recording', at(120))).toMatchObject({
        verdict: 'recorded',
        occurrence: { id: missed?.id, state: 'missed' },
      })
    })

    it.each<[RecoveryStrategyInput, string[]]>([
      ['mark_as_missed', ['120-180 (2) missed mark_as_missed']],
      ['execute_last', ['120-120 (1) missed execute_last', '180 completed']],
      ['execute_all', ['120 completed', '180 completed']],
      ['compressed', ['120-180 (2) completed']],
    ])(
      'the slots of a schedule that ended during the outage are recovered under %s',
      async (recoveryStrategy, expected) => {
        const world = createWorld(place)
        const { job } = recording(world, { recoveryStrategy, until: 200 })
        const scheduler = await outage(world, job, until)
        await world.clock.advance({ seconds: 10 })
        expect(await fates(scheduler, 'recording')).toEqual(['60 completed', ...expected])
        expect(await scheduler.nextRuns('recording')).toEqual([])
      },
    )

    it('the strategy `compressed` creates one run for all missed slots, and the run receives their span', async () => {
      const world = createWorld(place)
      const { job, runs } = recording(world, { recoveryStrategy: 'compressed' })
      const scheduler = await outage(world, job, until)
      await world.clock.advance({ seconds: 10 })
      expect(runs.slice(1)).toMatchObject([
        { slot: 300, recovered: true, span: [120, 300, 4] },
        { slot: 360, recovered: false, span: null },
      ])
      expect(await fates(scheduler, 'recording')).toEqual(['60 completed', '120-300 (4) completed', '360 completed'])
    })

    it.each<[string, RecoveryStrategyInput, number[], string]>([
      ['two occurrences', { type: 'bounded_window', maxOccurrences: 2 }, [240, 300], '120-180 (2)'],
      ['an age', { type: 'bounded_window', maxAge: { seconds: 200 } }, [180, 240, 300], '120-120 (1)'],
      ['both', { type: 'bounded_window', maxOccurrences: 9, maxAge: { seconds: 80 } }, [300], '120-240 (3)'],
    ])(
      'bounded_window with a limit on %s runs only the missed slots within the limit',
      async (_, recoveryStrategy, expected, range) => {
        const world = createWorld(place)
        const { job, slots } = recording(world, { recoveryStrategy })
        const scheduler = await outage(world, job, until)
        await world.clock.advance({ seconds: 10 })
        expect(slots()).toEqual([60, ...expected, 360])
        expect((await fates(scheduler, 'recording'))[1]).toBe(`${range} missed bounded_window`)
      },
    )
  })

  describe('a slot that was canceled ahead and falls into an outage', () => {
    async function outageOver(world: World, excluded: number, recoveryStrategy: RecoveryStrategyInput) {
      const { job, runs, slots } = recording(world, { recoveryStrategy })
      const first = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 65 })
      await first.cancelSlot('recording', at(excluded), { reason: 'holiday' })
      await world.shutdown(first)
      await world.clock.advanceTo(at(370))
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 10 })
      const explained = async (slot: number) => {
        const { verdict, occurrence } = await scheduler.explain('recording', at(slot))
        return [verdict, occurrence?.state, occurrence?.span?.count]
      }
      return { scheduler, runs, slots, explained }
    }

    it.each([120, 180, 300])(
      'keeps its own record beside the record of the missed slots, if the canceled slot is at second %d',
      async (excluded) => {
        const world = createWorld(place)
        const { scheduler, slots, explained } = await outageOver(world, excluded, 'mark_as_missed')
        expect(slots()).toEqual([60, 360])
        const entries = [
          '60 completed',
          '120-300 (4) missed mark_as_missed',
          `${excluded} canceled holiday`,
          '360 completed',
        ]
        expect((await fates(scheduler, 'recording')).sort()).toEqual(entries.sort())
        for (const slot of [120, 180, 240, 300]) {
          const verdict = slot === excluded ? ['recorded', 'canceled', undefined] : ['covered', 'missed', 4]
          expect(await explained(slot), `${slot}`).toEqual(verdict)
        }
        expect(await explained(60)).toEqual(['recorded', 'completed', undefined])
        expect(await explained(360)).toEqual(['recorded', 'completed', undefined])
      },
    )

    it.each([
      [120, [180, 300]],
      [180, [120, 300]],
      [300, [120, 240]],
    ])('is not covered by the recovery run, if the canceled slot is at second %d', async (excluded, [from, to]) => {
      const { scheduler, runs, explained } = await outageOver(createWorld(place), excluded, 'compressed')
      expect(runs.map(({ slot, span }) => [slot, span])).toEqual([
        [60, null],
        [to, [from, to, 3]],
        [360, null],
      ])
      for (const slot of [120, 180, 240, 300]) {
        const state = slot === excluded ? 'canceled' : 'completed'
        const verdict = slot === excluded || slot === to ? 'recorded' : 'covered'
        expect(await explained(slot), `${slot}`).toEqual([verdict, state, slot === excluded ? undefined : 3])
      }
      const instants = (await scheduler.occurrences({ job: 'recording' })).items.map((one) =>
        secondsOf(one.scheduledAt),
      )
      expect(instants).toEqual([...new Set(instants)])
    })
  })

  describe('slots that were canceled ahead and fall into an outage', () => {
    it.each<[strategy: RecoveryStrategyInput, canceled: number[], ran: number[], toRun: number]>([
      ['execute_last', [300], [240], 1],
      ['execute_last', [240, 300], [180], 1],
      ['execute_last', [120], [300], 1],
      ['execute_last', [120, 180, 240, 300], [], 0],
      ['execute_all', [240], [120, 180, 300], 4],
      ['mark_as_missed', [300], [], 0],
      ['compressed', [300], [240], 1],
      ['compressed', [120, 240, 300], [180], 1],
      ['compressed', [120, 180, 240, 300], [], 0],
      [{ type: 'bounded_window', maxOccurrences: 2 }, [240], [180, 300], 2],
      [{ type: 'bounded_window', maxAge: { seconds: 200 } }, [300], [180, 240], 3],
    ])(
      'do not run: with the recovery strategy %j and the canceled slots %j, only the slots %j run',
      async (recoveryStrategy, canceled, expected, toRun) => {
        const world = createWorld(place)
        const { job, slots } = recording(world, { recoveryStrategy })
        const first = await world.start({ jobs: [job] })
        await world.clock.advance({ seconds: 65 })
        for (const slot of canceled) await first.cancelSlot('recording', at(slot), { reason: 'holiday' })
        await world.shutdown(first)
        await world.clock.advanceTo(at(370))
        const second = world.scheduler({ jobs: [job] })
        const heard = listen(second, 'recovery.decided')
        await second.start()
        await world.clock.advance({ seconds: 10 })
        expect(slots()).toEqual([60, ...expected, 360])
        expect(heard.map(({ event }) => [event.missed, event.toRun])).toEqual([[4, toRun]])
        const states = (await second.occurrences({ job: 'recording', states: ['canceled'] })).items
        expect(states.map((one) => secondsOf(one.scheduledAt))).toEqual(canceled)
      },
    )

    it('are not covered by the recovery run, even if they are canceled while a node decides about the run', async () => {
      const world = createWorld(place)
      const { job, runs } = recording(world, { recoveryStrategy: 'compressed' })
      await world.shutdown(await world.start({ jobs: [job] }))
      await world.clock.advanceTo(at(330))
      const storage = world.connect()
      const [head] = (await storage.get({ jobs: [job.id] })).jobs
      let isCanceled = false
      const looking = wrapStorage(world.connect(), {
        async around(call) {
          const answer = await call.proceed()
          if (call.method === 'listOccurrences' && call.request.kind === 'job' && !isCanceled) {
            isCanceled = true
            const slot = { id: occurrenceId(job.id, at(240)), jobId: job.id, scheduledAt: +at(240) }
            const item = {
              kind: 'exclusion',
              ...slot,
              jobVersion: head?.version ?? 0,
              reason: 'late',
              details: {},
            } as const
            const owner = { node: 'canceler', incarnation: 'only' }
            await storage.createOccurrences({ now: +at(330), owner, items: [item] })
          }
          return answer
        },
      })
      await world.start({ jobs: [job], storage: looking })
      await world.clock.advance({ seconds: 10 })
      expect(isCanceled).toBe(true)
      expect(runs).toMatchObject([{ slot: 180, recovered: true, span: [60, 180, 3] }, { slot: 300 }])
    })

    it('are not covered by the recovery run, even if this run covers many slots', async () => {
      const world = createWorld(place)
      const { job, runs } = recording(world, { recoveryStrategy: 'compressed', every: 1, until: 300 })
      const first = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 2 })
      for (const slot of [150, 299, 300]) await first.cancelSlot('recording', at(slot))
      await world.shutdown(first)
      await world.clock.advanceTo(at(370))
      await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 1 })
      expect(runs.at(-1)).toMatchObject({ slot: 298, recovered: true, span: [3, 298, 295] })
    })

    it.each(['execute_last', 'compressed'] as const)(
      'cost one additional read per job when 50 jobs are recovered together under %s',
      async (recoveryStrategy) => {
        const world = createWorld(place)
        const schedule = everySeconds(60, +at(300))
        const jobs = Array.from({ length: 50 }, (_, index) =>
          defineJob({ name: `${index}`, schedule, recoveryStrategy, tasks: [{ name: 'work', run: () => 1 }] }),
        )
        await world.shutdown(await world.start({ jobs }))
        await world.clock.advanceTo(at(400))
        const intercepted = new InterceptedStorage(world.connect())
        const scheduler = world.scheduler({ jobs, storage: intercepted.storage })
        await scheduler.start()
        await world.clock.advance(0)
        const reads = intercepted.calls.filter(({ operation, request }) => {
          return operation === 'listOccurrences' && (request as OccurrenceQuery).kind === 'job'
        })
        expect(reads).toHaveLength(50)
        expect(intercepted.count('createOccurrences')).toBe(1)
      },
    )
  })

  it('missed slots run despite the overlap policy skip, which applies again to later slots', async () => {
    const world = createWorld(place)
    const { job } = recording(world, { recoveryStrategy: 'execute_all', overlapPolicy: 'skip', takes: 5 })
    const scheduler = await outage(world, job, 250)
    await world.clock.advance({ seconds: 20 })
    expect(await fates(scheduler, 'recording')).toEqual([
      '60 completed',
      '120 completed',
      '180 completed',
      '240 skipped overlap',
    ])
  })

  it('a slot that is late by exactly the misfire threshold is not missed', async () => {
    const world = createWorld(place)
    const { job, runs } = recording(world, { recoveryStrategy: 'mark_as_missed' })
    await outage(world, job, 180)
    expect(runs.slice(1)).toMatchObject([
      { slot: 120, at: 180, recovered: false, latenessMs: 60_000 },
      { slot: 180, at: 180, recovered: false },
    ])
  })

  it('the misfire threshold of a job overrides the default of one minute', async () => {
    const world = createWorld(place)
    const { job, slots } = recording(world, { recoveryStrategy: 'mark_as_missed', misfireThreshold: { seconds: 5 } })
    await outage(world, job, 126)
    expect(slots()).toEqual([60])
  })

  it('slots before the creation of their job are not recovered', async () => {
    const world = createWorld(place)
    const { job, slots } = recording(world, { recoveryStrategy: 'execute_all' })
    await world.clock.advance({ days: 3 })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 1 })
    expect(slots()).toEqual([])
    expect(await fates(scheduler, 'recording')).toEqual([])
  })

  it('an outage without a missed slot causes no recovery', async () => {
    const world = createWorld(place)
    const { job, slots } = recording(world, {})
    await outage(world, job, 115)
    await world.clock.advance({ seconds: 10 })
    expect(slots()).toEqual([60, 120])
  })

  it('recovered runs wait while another run of their job is active', async () => {
    const world = createWorld(place)
    const { job, runs } = recording(world, { recoveryStrategy: 'execute_all', takes: 30 })
    await outage(world, job, 370)
    await world.clock.advance({ minutes: 5 })
    const intervals = runs.map((run) => run.at)
    for (const [index, second] of intervals.slice(1).entries()) {
      expect(second - (intervals[index] as number)).toBeGreaterThanOrEqual(30)
    }
  })

  it('a recovery emits `recovery.decided` with the range and the numbers of slots', async () => {
    const world = createWorld(place)
    const { job } = recording(world, { recoveryStrategy: 'execute_last' })
    await world.shutdown(await world.start({ jobs: [job] }))
    await world.clock.advanceTo(at(370))
    const scheduler = world.scheduler({ jobs: [job] })
    const heard = listen(scheduler, 'recovery.decided')
    await scheduler.start()
    await world.clock.advance(0)
    expect(heard.map(({ event }) => event)).toEqual([
      {
        jobId: job.id,
        jobName: 'recording',
        strategy: 'execute_last',
        from: at(60),
        to: at(300),
        missed: 5,
        toRun: 1,
      },
    ])
  })

  it('missed slots are recovered once, by the new definition, if another build changes their job during the recovery', async () => {
    const world = createWorld(place)
    const { job, slots } = recording(world, { recoveryStrategy: 'execute_all' })
    const first = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 65 })
    await world.shutdown(first)
    await world.clock.advanceTo(at(370))
    const intercepted = new InterceptedStorage(world.connect())
    let isChanged = false
    intercepted.intercept = async (call) => {
      const { items } = call.request as { items?: { kind: string }[] }
      if (!isChanged && items?.[0]?.kind === 'recovery') {
        isChanged = true
        const newer = world.scheduler({ jobs: [recording(world, { recoveryStrategy: 'mark_as_missed' }).job] })
        await newer.start()
        // The newer node crashes. The first node has not declared the newer node dead yet, so the newer definition
        // stays in force.
        world.crash(newer)
      }
      return call.proceed()
    }
    const scheduler = await world.start({ jobs: [job], storage: intercepted.storage })
    await world.clock.advance({ seconds: 60 })
    expect(isChanged).toBe(true)
    const expected = ['60 completed', '120-300 (4) missed mark_as_missed', '360 completed', '420 completed']
    expect(await fates(scheduler, 'recording')).toEqual(expected)
    expect(slots()).toEqual([60, 360, 420])
  })

  it('a node whose machine slept for an hour recovers the slots that it missed', async () => {
    const world = createWorld(place)
    const { job, runs } = recording(world, { recoveryStrategy: 'execute_last' })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 65 })
    await world.clock.jumpTo(at(3630))
    await world.clock.advance({ minutes: 1 })
    expect(runs.slice(0, 2)).toMatchObject([{ slot: 60 }, { recovered: true }])
    const all = await fates(scheduler, 'recording')
    expect(all[1]).toMatch(/^120-3\d\d0 \(\d+\) missed execute_last$/)
    expect(all.slice(2).every((fate) => fate.endsWith('completed'))).toBe(true)
  })

  it('no slot runs twice after the wall clock of a node was set back', async () => {
    const world = createWorld(place)
    const { job, slots } = recording(world, {})
    await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 185 })
    await world.clock.jumpTo(at(100))
    await world.clock.advance({ seconds: 200 })
    expect(slots()).toEqual([60, 120, 180, 240, 300])
  })
})

describe('after a month without a node', () => {
  const month = 30 * 86_400

  async function startAfter(world: World, job: Job) {
    await world.shutdown(await world.start({ jobs: [job] }))
    await world.clock.jumpTo(at(month + 90))
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 5 })
    return scheduler
  }

  it('a job with a slot each second runs once, and one record contains all its other missed slots', async () => {
    const world = createWorld(memory)
    const { job, runs } = recording(world, { every: 1 })
    const scheduler = await startAfter(world, job)
    const recovered = runs.filter((run) => run.recovered)
    expect(recovered).toHaveLength(1)
    const [range, ...rest] = await fates(scheduler, 'recording')
    const last = recovered[0]?.slot as number
    expect(range).toBe(`1-${last - 1} (${last - 1}) missed execute_last`)
    expect(rest[0]).toBe(`${last} completed`)
  })

  it('a job with a slot each half hour runs all its slots under execute_all, although the recovery takes several steps', async () => {
    const world = createWorld(memory)
    const { job } = recording(world, { every: 1800, recoveryStrategy: 'execute_all' })
    const scheduler = await startAfter(world, job)
    await world.clock.advance({ minutes: 1 })
    const all = await fates(scheduler, 'recording')
    expect(all).toHaveLength(month / 1800)
    expect(all.filter((fate) => !fate.endsWith('completed'))).toEqual([])
  })

  it('a job with a bounded_window runs all slots of the window, even if one recovery step cannot list them all', async () => {
    const world = createWorld(memory)
    const recoveryStrategy: RecoveryStrategyInput = { type: 'bounded_window', maxOccurrences: 1200 }
    const { job, runs } = recording(world, { every: 600, recoveryStrategy })
    await startAfter(world, job)
    await world.clock.advance({ minutes: 1 })
    expect(runs.filter((run) => run.recovered)).toHaveLength(1200)
    expect(new Set(runs.map((run) => run.slot)).size).toBe(runs.length)
  })
})
