import { defineJob, type JobSettingsInput, type TaskContext, type TaskSettingsInput } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, onlyOccurrence, secondsOf, type World } from '../support/world.ts'

interface Part extends TaskSettingsInput {
  readonly name: string
  /** Seconds that the handler of the task takes. Default 0. */
  readonly seconds?: number
  readonly fails?: boolean
}

/** Runs one occurrence of a job with the given tasks. Returns the states of the occurrence and of each task. */
async function outcomeOf(world: World, parts: readonly Part[], settings: JobSettingsInput = {}) {
  const { clock } = world
  const called: string[] = []
  const tasks = parts.map(({ seconds = 0, fails = false, ...task }) => ({
    ...task,
    run: async ({ signal }: TaskContext) => {
      called.push(`${secondsOf(clock.now())} ${task.name}`)
      if (seconds > 0) await clock.sleep({ seconds }, signal)
      if (fails) throw new Error(`${task.name} fails`)
    },
  }))
  const job = defineJob({ name: 'group', schedule: everySeconds(10, +at(10)), ...settings, tasks })
  const scheduler = await world.start({ jobs: [job] })
  await clock.advance({ minutes: 5 })
  const occurrence = await onlyOccurrence(scheduler, 'group')
  return {
    called,
    outcome: [occurrence.state, occurrence.reason],
    endedAt: secondsOf(occurrence.finishedAt as Date),
    tasks: occurrence.tasks.map(({ name, state, reason }) => `${name} ${state}${reason === null ? '' : ` ${reason}`}`),
    occurrence,
  }
}

describe.each(everywhere)('on the storage $name', (place) => {
  describe('under the failure strategy fail_fast', () => {
    it('no task starts after a failed task, and the canceled tasks have the reason fail_fast', async () => {
      const { called, outcome, tasks } = await outcomeOf(createWorld(place), [
        { name: 'first' },
        { name: 'second', fails: true },
        { name: 'third' },
      ])
      expect(called).toEqual(['10 first', '10 second'])
      expect(outcome).toEqual(['failed', 'fail_fast'])
      expect(tasks).toEqual(['first completed', 'second failed', 'third canceled fail_fast'])
    })

    it('a failed task aborts running parallel tasks', async () => {
      const { outcome, endedAt, tasks, occurrence } = await outcomeOf(
        createWorld(place),
        [
          { name: 'slow', seconds: 60 },
          { name: 'failing', seconds: 2, fails: true },
          { name: 'quick', seconds: 1 },
        ],
        { taskExecutionMode: 'parallel' },
      )
      expect(outcome).toEqual(['failed', 'fail_fast'])
      expect(endedAt).toBe(12)
      expect(tasks).toEqual(['slow canceled fail_fast', 'failing failed', 'quick completed'])
      expect(occurrence.tasks[0]?.attempts).toMatchObject([
        { state: 'aborted', reason: 'fail_fast', durationMs: 2000, error: { code: 'ABORTED' } },
      ])
    })

    it('a failed task cancels the retry for which a parallel task waits', async () => {
      const { called, tasks } = await outcomeOf(
        createWorld(place),
        [
          { name: 'flaky', fails: true, retryPolicy: { maxRetries: 3, retryInterval: { seconds: 5 } } },
          { name: 'failing', seconds: 2, fails: true },
        ],
        { taskExecutionMode: 'parallel' },
      )
      expect(called).toEqual(['10 flaky', '10 failing'])
      expect(tasks).toEqual(['flaky canceled fail_fast', 'failing failed'])
    })

    it('a task whose own strategy is `continue` runs after an earlier task has failed', async () => {
      const { called, outcome, tasks } = await outcomeOf(createWorld(place), [
        { name: 'work', fails: true },
        { name: 'more work' },
        { name: 'clean-up', failureStrategy: 'continue' },
      ])
      expect(called).toEqual(['10 work', '10 clean-up'])
      expect(outcome).toEqual(['failed', 'fail_fast'])
      expect(tasks).toEqual(['work failed', 'more work canceled fail_fast', 'clean-up completed'])
    })

    it('a parallel task whose own strategy is `continue` runs to its end after another task has failed', async () => {
      const { endedAt, outcome, tasks } = await outcomeOf(
        createWorld(place),
        [
          { name: 'failing', seconds: 2, fails: true },
          { name: 'clean-up', seconds: 9, failureStrategy: 'continue' },
        ],
        { taskExecutionMode: 'parallel' },
      )
      expect(endedAt).toBe(19)
      expect(outcome).toEqual(['failed', 'fail_fast'])
      expect(tasks).toEqual(['failing failed', 'clean-up completed'])
    })

    it('a task whose own strategy is `continue` is retried after an earlier task has failed', async () => {
      const { called, tasks } = await outcomeOf(createWorld(place), [
        { name: 'work', fails: true },
        { name: 'clean-up', fails: true, failureStrategy: 'continue', retryPolicy: { maxRetries: 1 } },
      ])
      expect(called).toEqual(['10 work', '10 clean-up', '11 clean-up'])
      expect(tasks).toEqual(['work failed', 'clean-up failed'])
    })

    it('a failed task whose own strategy is `continue` does not cancel later tasks', async () => {
      const { called, outcome, tasks } = await outcomeOf(createWorld(place), [
        { name: 'optional', fails: true, failureStrategy: 'continue' },
        { name: 'work' },
      ])
      expect(called).toEqual(['10 optional', '10 work'])
      expect(outcome).toEqual(['completed_with_errors', null])
      expect(tasks).toEqual(['optional failed', 'work completed'])
    })
  })

  describe('under the failure strategy continue', () => {
    it('all tasks run after a task has failed, and the outcome is completed_with_errors', async () => {
      const { called, outcome, tasks } = await outcomeOf(
        createWorld(place),
        [{ name: 'first', fails: true }, { name: 'second' }, { name: 'third', fails: true }],
        { failureStrategy: 'continue' },
      )
      expect(called).toEqual(['10 first', '10 second', '10 third'])
      expect(outcome).toEqual(['completed_with_errors', null])
      expect(tasks).toEqual(['first failed', 'second completed', 'third failed'])
    })

    it('a failed task does not abort parallel tasks', async () => {
      const { endedAt, outcome } = await outcomeOf(
        createWorld(place),
        [
          { name: 'failing', fails: true },
          { name: 'slow', seconds: 5 },
        ],
        { failureStrategy: 'continue', taskExecutionMode: 'parallel' },
      )
      expect(endedAt).toBe(15)
      expect(outcome).toEqual(['completed_with_errors', null])
    })

    it('a job whose tasks all succeed ends as completed', async () => {
      const { outcome } = await outcomeOf(createWorld(place), [{ name: 'only' }], { failureStrategy: 'continue' })
      expect(outcome).toEqual(['completed', null])
    })

    it('a failed task whose own strategy is `fail_fast` cancels later tasks', async () => {
      const { called, outcome } = await outcomeOf(
        createWorld(place),
        [
          { name: 'optional', fails: true },
          { name: 'vital', fails: true, failureStrategy: 'fail_fast' },
          { name: 'never', failureStrategy: 'fail_fast' },
        ],
        { failureStrategy: 'continue' },
      )
      expect(called).toEqual(['10 optional', '10 vital'])
      expect(outcome).toEqual(['failed', 'fail_fast'])
    })
  })

  describe('under the failure strategy retry_on_failure', () => {
    it('a failed task is retried before later tasks start', async () => {
      const { called, outcome } = await outcomeOf(
        createWorld(place),
        [{ name: 'first' }, { name: 'second', fails: true }, { name: 'third' }],
        { failureStrategy: 'retry_on_failure' },
      )
      expect(called).toEqual(['10 first', '10 second', '11 second', '13 second', '17 second'])
      expect(outcome).toEqual(['failed', 'fail_fast'])
    })

    it('a task with its own retry policy is retried by that policy', async () => {
      const { called } = await outcomeOf(
        createWorld(place),
        [{ name: 'work', fails: true, retryPolicy: { maxRetries: 1, retryInterval: { seconds: 7 } } }],
        { failureStrategy: 'retry_on_failure' },
      )
      expect(called).toEqual(['10 work', '17 work'])
    })
  })

  it.each([
    ['a string', 'no', { name: 'Error', message: 'no' }],
    ['nothing', undefined, { name: 'Error', message: 'undefined' }],
    ['an error with a code', Object.assign(new TypeError('no'), { code: 'E_NO' }), { name: 'TypeError', code: 'E_NO' }],
  ])('the attempt of a handler that throws %s is stored with the error', async (_, thrown, kept) => {
    const { clock, start } = createWorld(place)
    const run = () => {
      throw thrown
    }
    const job = defineJob({ name: 'odd', schedule: everySeconds(10, +at(10)), tasks: [{ name: 'work', run }] })
    const scheduler = await start({ jobs: [job] })
    await clock.advance({ seconds: 10 })
    expect(await onlyOccurrence(scheduler, 'odd')).toMatchObject({ state: 'failed', tasks: [{ error: kept }] })
  })
})
