import { defineJob, type ExecutionReport, type JobSettingsInput, type TaskContext } from '@jobistemer/core'
import { metricsCollector, wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { collectingLogger } from '../support/collecting-logger.ts'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, onlyOccurrence, secondsOf, type World } from '../support/world.ts'

/** Defines a job with a slot every ten seconds. `ran` lists the slots that ran. */
function ticking(world: World, settings: JobSettingsInput & { until?: number; takes?: number } = {}) {
  const { until = 100, takes = 0, ...jobSettings } = settings
  const ran: number[] = []
  const signals: AbortSignal[] = []
  const run = async ({ scheduledAt, signal }: TaskContext) => {
    signals.push(signal)
    if (takes > 0) await world.clock.sleep({ seconds: takes }, signal)
    ran.push(secondsOf(scheduledAt))
  }
  const schedule = everySeconds(10, +at(until))
  return { ran, signals, job: defineJob({ name: 'tick', schedule, ...jobSettings, tasks: [{ name: 'work', run }] }) }
}

describe.each(everywhere)('on the storage $name', (place) => {
  describe('a paused job', () => {
    it('runs on no node until it is resumed, and its slots in the pause are stored as skipped', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { until: 60 })
      const first = await world.start({ jobs: [job] })
      await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 15 })
      await first.pause('tick', { reason: 'maintenance', actor: 'ann' })
      await world.clock.advance({ seconds: 30 })
      await first.resume('tick')
      await world.clock.advance({ minutes: 1 })
      expect(ran).toEqual([10, 50, 60])
      expect(await fates(first, 'tick')).toEqual([
        '10 completed',
        '20 skipped paused',
        '30 skipped paused',
        '40 skipped paused',
        '50 completed',
        '60 completed',
      ])
    })

    it('stays paused when its node restarts', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world)
      const first = await world.start({ jobs: [job] })
      await first.pause('tick')
      await world.shutdown(first)
      const second = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 35 })
      expect(ran).toEqual([])
      await second.resume('tick')
      await world.clock.advance({ seconds: 10 })
      expect(ran).toEqual([40])
    })

    it('does not recover the slots of its pause when it is resumed after an outage', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { until: 1000, recoveryStrategy: 'execute_all' })
      const first = await world.start({ jobs: [job] })
      await first.pause('tick')
      await world.shutdown(first)
      await world.clock.advanceTo(at(905))
      const second = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 1 })
      await second.resume('tick')
      await world.clock.advance({ seconds: 20 })
      expect(ran).toEqual([910, 920])
      expect((await fates(second, 'tick'))[0]).toBe('10-840 (84) missed paused')
    })

    it('completes its active run, and does not start a queued run', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { until: 20, takes: 15, overlapPolicy: 'queue' })
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 22 })
      await scheduler.pause('tick')
      await world.clock.advance({ minutes: 2 })
      expect(ran).toEqual([10])
      await scheduler.resume('tick')
      await world.clock.advance({ seconds: 20 })
      expect(ran).toEqual([10, 20])
    })

    it('emits `job.paused` and `job.resumed` once, although the caller repeats both calls', async () => {
      const world = createWorld(place)
      const { job } = ticking(world)
      const scheduler = await world.start({ jobs: [job] })
      const heard = listen(scheduler, 'job.paused', 'job.resumed')
      await scheduler.pause('tick', { reason: 'maintenance' })
      await scheduler.pause('tick', { reason: 'again' })
      await scheduler.resume('tick')
      await scheduler.resume('tick')
      expect(heard.map(({ name, event }) => [name, 'reason' in event ? event.reason : null])).toEqual([
        ['job.paused', 'maintenance'],
        ['job.resumed', null],
      ])
    })
  })

  describe('an occurrence that is canceled', () => {
    it('while it runs is aborted, and ends as canceled with the given reason', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { until: 10, takes: 60 })
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 15 })
      const { id } = await onlyOccurrence(scheduler, 'tick')
      expect(await scheduler.cancel(id, { reason: 'wrong data', actor: 'ann' })).toMatchObject({ outcome: 'requested' })
      await world.clock.advance({ seconds: 5 })
      expect(await onlyOccurrence(scheduler, 'tick')).toMatchObject({
        state: 'canceled',
        reason: 'wrong data',
        tasks: [{ state: 'canceled', attempts: [{ state: 'aborted', reason: 'canceled' }] }],
      })
      expect(ran).toEqual([])
      expect(await scheduler.cancel(id)).toMatchObject({ outcome: 'final', state: 'canceled' })
    })

    it('through a node that is not its owner is aborted by its owner', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { until: 10, takes: 60 })
      const first = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 15 })
      const second = await world.start({ jobs: [job] })
      await second.cancel((await onlyOccurrence(second, 'tick')).id)
      await world.clock.advance({ seconds: 30 })
      expect(await onlyOccurrence(first, 'tick')).toMatchObject({ state: 'canceled', reason: 'canceled' })
      expect(ran).toEqual([])
    })

    it.each(['another task', 'another attempt'])(
      'is stopped by the node that runs the occurrence, before that node starts %s',
      async (what) => {
        const world = createWorld(place)
        const called: string[] = []
        const stranger = await world.start()
        const first = async ({ occurrence, attempt }: TaskContext) => {
          called.push(`first ${attempt}`)
          await stranger.cancel(occurrence.id)
          if (what === 'another attempt') throw new Error('no')
        }
        const tasks = [
          { name: 'first', retryPolicy: { maxRetries: 1, retryInterval: 0 }, run: first },
          { name: 'second', run: () => void called.push('second') },
        ]
        const job = defineJob({ name: 'chain', schedule: everySeconds(10, +at(10)), tasks })
        // Without wake-ups, the owner learns of the cancellation from the answer to its next settle.
        const storage = wrapStorage(world.connect(), { subscribe: undefined })
        const owner = await world.start({ jobs: [job], storage })
        await world.clock.advance({ seconds: 20 })
        expect(called).toEqual(['first 1'])
        const { state, tasks: reports } = await onlyOccurrence(owner, 'chain')
        expect(state).toBe('canceled')
        const aborted = { state: 'aborted', reason: 'canceled', endedAt: at(10) }
        expect(reports.map(({ attempts, ...task }) => [task.name, task.state, attempts.length])).toEqual(
          what === 'another task'
            ? [
                ['first', 'completed', 1],
                ['second', 'canceled', 1],
              ]
            : [
                ['first', 'canceled', 2],
                ['second', 'canceled', 0],
              ],
        )
        expect(reports.flatMap(({ attempts }) => attempts).at(-1)).toMatchObject(aborted)
      },
    )

    it('through a node that does not hold the job causes an event with the name of the job', async () => {
      const world = createWorld(place)
      const { job } = ticking(world, { until: 20, takes: 15, overlapPolicy: 'queue' })
      const first = await world.start({ jobs: [job] })
      const stranger = await world.start()
      const heard = listen(stranger, 'occurrence.canceled')
      await world.clock.advance({ seconds: 22 })
      const waiting = (await first.occurrences({ job: 'tick', states: ['queued'] })).items[0]
      await stranger.cancel(waiting?.id as never, { reason: 'wrong data' })
      expect(heard.map(({ event }) => event)).toEqual([
        { jobId: job.id, jobName: 'tick', occurrenceId: waiting?.id, scheduledAt: at(20), reason: 'wrong data' },
      ])
    })

    it('while it is queued never runs', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { until: 30, takes: 25, overlapPolicy: 'queue' })
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 22 })
      const waiting = (await scheduler.occurrences({ job: 'tick', states: ['queued'] })).items[0]
      expect(await scheduler.cancel(waiting?.id as never)).toMatchObject({ outcome: 'canceled' })
      await world.clock.advance({ minutes: 2 })
      expect(ran).toEqual([10, 30])
      expect(await fates(scheduler, 'tick')).toEqual(['10 completed', '20 canceled canceled', '30 completed'])
    })

    it("by force ends without waiting for its owner, and the storage rejects the owner's settle", async () => {
      const world = createWorld(place)
      const { job } = ticking(world, { until: 20, takes: 15, overlapPolicy: 'queue' })
      const owner = await world.start({ jobs: [job] })
      const lost = listen(owner, 'occurrence.lost')
      await world.clock.advance({ seconds: 12 })
      const other = await world.start({ jobs: [job] })
      const running = (await other.occurrences({ job: 'tick', states: ['running'] })).items[0]
      expect(await other.cancel(running?.id as never, { force: true })).toMatchObject({ state: 'canceled' })
      expect(await fates(other, 'tick')).toEqual(['10 canceled canceled'])
      await world.clock.advance({ minutes: 1 })
      expect(await fates(other, 'tick')).toEqual(['10 canceled canceled', '20 completed'])
      expect(lost).toHaveLength(1)
    })

    it.each(['its own node', 'another node'])(
      'by force through %s ends, and its owner reports this end',
      async (through) => {
        const world = createWorld(place)
        const reports: ExecutionReport[] = []
        const run = ({ signal }: TaskContext) => world.clock.sleep({ seconds: 15 }, signal)
        const job = defineJob({
          name: 'tick',
          schedule: everySeconds(10, +at(10)),
          retryPolicy: { maxRetries: 1, retryInterval: { minutes: 5 } },
          onComplete: (report) => void reports.push(report),
          tasks: [
            { name: 'first', run: () => 'done' },
            { name: 'work', run },
            { name: 'never', run },
          ],
        })
        const { logger, loud } = collectingLogger()
        const collectors = [metricsCollector(), metricsCollector()] as const
        const owner = await world.start({ jobs: [job], logger, metrics: collectors[0] })
        const heard = listen(owner, 'occurrence.finished', 'occurrence.lost')
        await world.clock.advance({ seconds: 12 })
        const other = await world.start({ jobs: [job], metrics: collectors[1] })
        const { id, scheduledAt } = await onlyOccurrence(other, 'tick')
        const scheduler = through === 'its own node' ? owner : other
        await scheduler.cancel(id, { force: true, reason: 'stuck' })
        await world.clock.advance({ minutes: 1 })
        const { tasks, ...ended } = await onlyOccurrence(other, 'tick')
        expect(ended).toMatchObject({ state: 'canceled', reason: 'stuck', finishedAt: at(12) })
        expect(tasks).toMatchObject([
          { name: 'first', state: 'completed', result: 'done' },
          {
            name: 'work',
            state: 'canceled',
            reason: 'canceled',
            durationMs: 2000,
            attempts: [{ state: 'lost', endedAt: at(12) }],
          },
        ])
        // The report that `onComplete` received equals the record in the storage.
        expect(reports).toMatchObject([{ outcome: 'canceled', reason: 'stuck', finishedAt: at(12), durationMs: 2000 }])
        expect(reports[0]?.tasks).toEqual(tasks)
        expect(heard.map(({ name }) => name)).toEqual(['occurrence.lost', 'occurrence.finished'])
        expect(heard[1]?.event).toMatchObject({ occurrenceId: id, report: reports[0], isToldBefore: true })
        const words = 'occurrence lost: it was canceled by force'
        expect(loud()).toEqual([
          { level: 'warn', message: words, job: 'tick', occurrenceId: id, scheduledAt, fencingToken: 1 },
        ])
        const counts = collectors.map((one) => one.counter('scheduler_job_occurrences_total'))
        expect(counts).toEqual(through === 'its own node' ? [1, 0] : [0, 1])
      },
    )

    it('while it waits for a retry has no unfinished task', async () => {
      const world = createWorld(place)
      const fail = () => {
        throw new Error('no')
      }
      const retryPolicy = { maxRetries: 1, retryInterval: { minutes: 5 } }
      const tasks = [{ name: 'work', retryPolicy, run: fail }]
      const job = defineJob({ name: 'tick', schedule: everySeconds(10, +at(10)), tasks })
      const first = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 12 })
      await world.shutdown(first)
      const stranger = await world.start()
      const { id, state } = await onlyOccurrence(stranger, 'tick')
      expect(state).toBe('pending')
      await stranger.cancel(id)
      expect(await onlyOccurrence(stranger, 'tick')).toMatchObject({
        state: 'canceled',
        tasks: [{ state: 'canceled' }],
      })
    })

    it('by force through the node that runs the occurrence is aborted', async () => {
      const world = createWorld(place)
      const { job, ran, signals } = ticking(world, { until: 20, takes: 15, overlapPolicy: 'queue' })
      const owner = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 12 })
      const { id } = await onlyOccurrence(owner, 'tick')
      expect(await owner.cancel(id, { force: true })).toMatchObject({ state: 'canceled' })
      await world.clock.settle()
      expect(signals.map(({ aborted }) => aborted)).toEqual([true])
      await world.clock.advance({ minutes: 1 })
      expect(await fates(owner, 'tick')).toEqual(['10 canceled canceled', '20 completed'])
      expect(ran).toEqual([20])
    })

    it('must exist: otherwise `cancel` rejects with OCCURRENCE_NOT_FOUND', async () => {
      const world = createWorld(place)
      const scheduler = await world.start()
      await expect(scheduler.cancel('occ_none' as never)).rejects.toMatchObject({
        code: 'OCCURRENCE_NOT_FOUND',
        value: 'occ_none',
      })
    })
  })

  describe('a slot that is canceled ahead', () => {
    it('runs on no node, while the slots before and after it run', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { until: 40 })
      const scheduler = await world.start({ jobs: [job] })
      await world.start({ jobs: [job] })
      expect(await scheduler.cancelSlot('tick', at(20), { reason: 'holiday' })).toMatchObject({ outcome: 'canceled' })
      await world.clock.advance({ minutes: 1 })
      expect(ran).toEqual([10, 30, 40])
      expect((await fates(scheduler, 'tick'))[1]).toBe('20 canceled holiday')
    })

    it('is not recovered after an outage', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { until: 50, recoveryStrategy: 'execute_all' })
      const first = await world.start({ jobs: [job] })
      await first.cancelSlot('tick', at(30))
      await world.shutdown(first)
      await world.clock.advanceTo(at(200))
      await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 10 })
      expect(ran).toEqual([10, 20, 40, 50])
    })

    it('must be a slot of the job; a slot that has already run stays completed', async () => {
      const world = createWorld(place)
      const { job } = ticking(world)
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 15 })
      await expect(scheduler.cancelSlot('tick', at(25))).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        field: 'at',
      })
      expect(await scheduler.cancelSlot('tick', at(10))).toMatchObject({ outcome: 'final', state: 'completed' })
    })
  })

  describe('a replay of an occurrence', () => {
    /** Makes a job of three tasks whose second task fails until `repair` is called. */
    function failing(world: World) {
      const called: string[] = []
      let broken = true
      const job = defineJob({
        name: 'chain',
        schedule: everySeconds(10, +at(10)),
        tasks: [
          {
            name: 'first',
            run: () => {
              called.push('first')
              return 7
            },
          },
          {
            name: 'second',
            run: ({ results }) => {
              called.push(`second after ${results.first}`)
              if (broken) throw new Error('no')
            },
          },
          { name: 'third', run: ({ replayOf, input }) => void called.push(`third ${replayOf !== null} ${input}`) },
        ],
      })
      const repair = () => {
        broken = false
        called.length = 0
      }
      return { job, called, repair, clock: world.clock }
    }

    it('is a new occurrence that runs all tasks and is linked to the original', async () => {
      const world = createWorld(place)
      const { job, called, repair } = failing(world)
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 12 })
      const { id } = await onlyOccurrence(scheduler, 'chain')
      repair()
      const { id: replayId, created } = await scheduler.replay(id, { reason: 'repaired', data: 5 })
      await world.clock.advance({ seconds: 1 })
      expect(created).toBe(true)
      expect(called).toEqual(['first', 'second after 7', 'third true 5'])
      const [original, replay] = (await scheduler.occurrences({ job: 'chain' })).items
      expect(original).toMatchObject({ id, state: 'failed', replayOf: null })
      expect(replay).toMatchObject({ id: replayId, kind: 'replay', state: 'completed', replayOf: id })
    })

    it('from a given task on has the results of the tasks before that task', async () => {
      const world = createWorld(place)
      const { job, called, repair } = failing(world)
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 12 })
      const { id } = await onlyOccurrence(scheduler, 'chain')
      repair()
      await scheduler.replay(id, { from: 'second' })
      await world.clock.advance({ seconds: 1 })
      expect(called).toEqual(['second after 7', 'third true undefined'])
    })

    it('from the first task on runs all tasks', async () => {
      const world = createWorld(place)
      const { job, called, repair } = failing(world)
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 12 })
      const { id } = await onlyOccurrence(scheduler, 'chain')
      repair()
      called.length = 0
      await scheduler.replay(id, { from: 'first' })
      await world.clock.advance({ seconds: 1 })
      expect(called[0]).toBe('first')
    })

    it('with a key that an earlier replay has used creates no second run', async () => {
      const world = createWorld(place)
      const { job, called, repair } = failing(world)
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 12 })
      const { id } = await onlyOccurrence(scheduler, 'chain')
      repair()
      const first = await scheduler.replay(id, { key: 'ticket-1' })
      await world.clock.advance({ seconds: 1 })
      expect(await scheduler.replay(id, { key: 'ticket-1' })).toMatchObject({ id: first.id, created: false })
      await world.clock.advance({ seconds: 1 })
      expect(called).toHaveLength(3)
    })

    it('is rejected if the occurrence has not ended or does not exist', async () => {
      const world = createWorld(place)
      const { job } = ticking(world, { until: 10, takes: 30 })
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 12 })
      const { id } = await onlyOccurrence(scheduler, 'tick')
      await expect(scheduler.replay(id)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'occurrenceId' })
      await expect(scheduler.replay('occ_none' as never)).rejects.toMatchObject({ code: 'OCCURRENCE_NOT_FOUND' })
    })
  })

  describe('an update of a job', () => {
    it('applies to all nodes from the present on', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world)
      const first = await world.start({ jobs: [job] })
      await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 15 })
      const result = await first.update('tick', { schedule: everySeconds(25, +at(100)) })
      expect(result).toMatchObject({ version: 2, changed: true, nextAt: at(25) })
      await world.clock.advance({ minutes: 2 })
      expect(ran).toEqual([10, 25, 50, 75, 100])
    })

    it('that changes nothing creates no version', async () => {
      const world = createWorld(place)
      const { job } = ticking(world)
      const scheduler = await world.start({ jobs: [job] })
      await scheduler.update('tick', { overlapPolicy: 'queue' })
      expect(await scheduler.update('tick', { overlapPolicy: 'queue' })).toMatchObject({ version: 2, changed: false })
    })

    it('with an outdated expectedVersion rejects with an error that contains both versions', async () => {
      const world = createWorld(place)
      const { job } = ticking(world)
      const scheduler = await world.start({ jobs: [job] })
      await scheduler.update('tick', { overlapPolicy: 'queue' }, { expectedVersion: 1 })
      await expect(scheduler.update('tick', { overlapPolicy: 'allow' }, { expectedVersion: 1 })).rejects.toMatchObject({
        code: 'VERSION_CONFLICT',
        value: { expected: 1, actual: 2 },
      })
    })

    it('with `waiting: cancel` cancels queued slots', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { until: 30, takes: 25, overlapPolicy: 'queue' })
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 32 })
      const { canceled } = await scheduler.update('tick', { maxQueued: 5 }, { waiting: 'cancel' })
      await world.clock.advance({ minutes: 2 })
      expect(canceled).toHaveLength(2)
      expect(ran).toEqual([10])
      expect(await fates(scheduler, 'tick')).toEqual(['10 completed', '20 canceled updated', '30 canceled updated'])
    })

    it('is still in force after a node of the same build has restarted', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world)
      const first = await world.start({ jobs: [job] })
      await first.update('tick', { schedule: everySeconds(25, +at(100)) })
      await world.shutdown(first)
      await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 55 })
      expect(ran).toEqual([25, 50])
    })
  })

  describe('`explain`', () => {
    it('returns a verdict for each past and future instant', async () => {
      const world = createWorld(place)
      const { job } = ticking(world, { until: 300 })
      const first = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 15 })
      await first.cancelSlot('tick', at(50))
      await world.shutdown(first)
      await world.clock.advanceTo(at(175))
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 1 })
      const verdicts = async (...seconds: number[]) =>
        Promise.all(seconds.map(async (second) => (await scheduler.explain('tick', at(second))).verdict))
      expect(await verdicts(-10, 0, 10, 15)).toEqual(['before_creation', 'before_creation', 'recorded', 'not_a_slot'])
      // The missed range covers the slots 20 to 100. Slot 50 was canceled before, and slot 110 has run.
      expect(await verdicts(20, 40, 50, 60, 100, 110)).toEqual([
        'covered',
        'covered',
        'recorded',
        'covered',
        'covered',
        'recorded',
      ])
      expect(await verdicts(180, 185, 300, 310)).toEqual(['will_run', 'not_a_slot', 'will_run', 'not_a_slot'])
      await scheduler.pause('tick', { reason: 'maintenance' })
      expect(await scheduler.explain('tick', at(180))).toMatchObject({
        verdict: 'paused',
        reason: expect.stringContaining('maintenance'),
      })
    })
  })

  describe('`prune`', () => {
    it('removes old history, and no pruned slot runs again', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { until: 100, recoveryStrategy: 'execute_all' })
      const first = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 105 })
      expect(await first.prune({ olderThan: { seconds: 30 } })).toBe(7)
      expect(await fates(first, 'tick')).toEqual(['80 completed', '90 completed', '100 completed'])
      await world.shutdown(first)
      const second = await world.start({ jobs: [job] })
      await world.clock.advance({ minutes: 5 })
      expect(ran).toHaveLength(10)
      expect(await second.explain('tick', at(20))).toMatchObject({ verdict: 'pruned' })
    })

    it('keeps the latest `keep` occurrences of each job', async () => {
      const world = createWorld(place)
      const { job } = ticking(world, { until: 50 })
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ minutes: 1 })
      expect(await scheduler.prune({ olderThan: 0, keep: 2 })).toBe(3)
      expect(await fates(scheduler, 'tick')).toEqual(['40 completed', '50 completed'])
    })
  })

  describe('for definitions at run time,', () => {
    it('`add` adds a job on a node, and `remove` removes the job from all nodes', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world)
      const first = await world.start({ jobs: [] })
      const second = await world.start({ jobs: [job] })
      await first.add(job)
      await world.clock.advance({ seconds: 25 })
      await first.remove('tick')
      await world.clock.advance({ minutes: 2 })
      expect(ran).toEqual([10, 20])
      await expect(second.trigger('tick')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
      expect(await fates(second, 'tick')).toEqual(['10 completed', '20 completed'])
    })

    it('a job that is removed and added again does not recover the slots between the removal and the addition', async () => {
      const world = createWorld(place)
      const { job, ran } = ticking(world, { until: 1000, recoveryStrategy: 'execute_all' })
      const scheduler = await world.start({ jobs: [job] })
      await world.clock.advance({ seconds: 25 })
      await scheduler.remove('tick')
      await world.clock.advanceTo(at(905))
      await scheduler.add(job)
      await world.clock.advance({ seconds: 10 })
      expect(ran).toEqual([10, 20, 910])
    })

    it('a job with named handlers runs on nodes that have these handlers', async () => {
      const world = createWorld(place)
      const ran: string[] = []
      const handlersOf = (node: string) => ({
        greet: ({ data }: { data: unknown }) => void ran.push(`${node} greets ${data}`),
      })
      const first = await world.start({ nodeId: 'a', handlers: handlersOf('a') })
      await world.start({ nodeId: 'b', handlers: handlersOf('b') })
      const schedule = everySeconds(10, +at(20))
      await first.add(defineJob({ name: 'data', schedule, tasks: [{ name: 'hello', handler: 'greet', data: 'ann' }] }))
      await world.clock.advance({ seconds: 15 })
      expect(ran).toEqual([expect.stringMatching(/^[ab] greets ann$/)])
    })

    it('`plan` changes nothing, and `apply` makes the changes of the plan', async () => {
      const world = createWorld(place)
      const define = (name: string, seconds: number) =>
        defineJob({ name, schedule: everySeconds(seconds), tasks: [{ name: 'work', run: () => 1 }] })
      const scheduler = await world.start()
      await scheduler.apply(await scheduler.plan([define('kept', 10), define('gone', 10)], { owner: 'team' }))
      const plan = await scheduler.plan([define('kept', 20), define('fresh', 30)], { owner: 'team' })
      const namesOf = (changes: readonly { name: string }[]) => changes.map(({ name }) => name)
      expect([namesOf(plan.added), namesOf(plan.changed), namesOf(plan.removed)]).toEqual([
        ['fresh'],
        ['kept'],
        ['gone'],
      ])
      expect(await scheduler.nextRuns('kept', 1)).toEqual([at(10)])
      await scheduler.apply(plan)
      expect([await scheduler.nextRuns('kept', 1), await scheduler.nextRuns('fresh', 1)]).toEqual([[at(20)], [at(30)]])
      await expect(scheduler.nextRuns('gone')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
      await expect(scheduler.apply(plan)).rejects.toMatchObject({ code: 'VERSION_CONFLICT' })
    })
  })
})
