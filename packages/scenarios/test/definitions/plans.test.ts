import { defineJob, type Job, type JobistemerError } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld } from '../support/world.ts'

function define(name: string, seconds: number): Job {
  return defineJob({ name, schedule: everySeconds(seconds), tasks: [{ name: 'work', run: () => 1 }] })
}

const owner = 'team'

/** Returns the error with which a call rejects. */
async function refusalOf(call: Promise<unknown>): Promise<Pick<JobistemerError, 'code' | 'value' | 'message'>> {
  const error = await call.then(
    () => null,
    (reason: JobistemerError) => reason,
  )
  if (error === null) throw new Error('It was not refused.')
  return { code: error.code, value: error.value, message: error.message }
}

const code = 'VERSION_CONFLICT'

describe.each(everywhere)('on the storage $name, applying a plan', (place) => {
  it('changes nothing if a job that the plan adds was created after the plan was made', async () => {
    const world = createWorld(place)
    const scheduler = await world.start()
    const other = await world.start()
    const plan = await scheduler.plan([define('first', 10), define('second', 10)], { owner })
    await other.add(define('second', 20))
    expect(await refusalOf(scheduler.apply(plan))).toEqual({
      code,
      value: { expected: null, actual: 1 },
      message: expect.stringContaining('Job "second" is at version 1, not at none.'),
    })
    expect((await scheduler.plan([], { owner })).removed).toEqual([])
  })

  it('changes nothing if a job that the plan changes or removes was updated between the plan and `apply`', async () => {
    const world = createWorld(place)
    const scheduler = await world.start()
    await scheduler.apply(await scheduler.plan([define('kept', 10), define('gone', 10)], { owner }))
    const changing = await scheduler.plan([define('kept', 20), define('gone', 10)], { owner })
    const removing = await scheduler.plan([define('kept', 20)], { owner })
    await scheduler.update('gone', { overlapPolicy: 'queue' })
    const refused = { code, value: { expected: 1, actual: 2 } }
    expect(await refusalOf(scheduler.apply(removing))).toMatchObject(refused)
    expect(await scheduler.nextRuns('kept', 1)).toEqual([at(10)])
    await scheduler.update('kept', { overlapPolicy: 'queue' })
    expect(await refusalOf(scheduler.apply(changing))).toMatchObject(refused)
    expect(await scheduler.nextRuns('gone', 1)).toEqual([at(10)])
  })

  it('changes nothing if a job that the plan changes or removes was deleted after the plan was made', async () => {
    const world = createWorld(place)
    const scheduler = await world.start()
    await scheduler.apply(await scheduler.plan([define('one', 10), define('other', 10)], { owner }))
    const changing = await scheduler.plan([define('one', 20), define('other', 20)], { owner })
    const removing = await scheduler.plan([], { owner })
    await scheduler.remove('other')
    for (const plan of [changing, removing]) {
      expect(await refusalOf(scheduler.apply(plan))).toEqual({
        code,
        value: { expected: 1, actual: null },
        message: expect.stringContaining('Job "other" is at version none, not at 1.'),
      })
      expect(await scheduler.nextRuns('one', 1)).toEqual([at(10)])
    }
  })

  it('creates the planned job if a job with the same name was removed before the plan was made', async () => {
    const world = createWorld(place)
    const scheduler = await world.start()
    await scheduler.add(define('again', 10))
    await scheduler.remove('again')
    const plan = await scheduler.plan([define('again', 20)], { owner })
    expect(plan.added).toEqual([
      { name: 'again', version: null, changes: [], before: [], after: [at(20), at(40), at(60)] },
    ])
    await scheduler.apply(plan)
    expect(await scheduler.nextRuns('again', 1)).toEqual([at(20)])
  })
})

describe.each(everywhere)('on the storage $name, a plan', (place) => {
  it('does not remove jobs of other owners or jobs without an owner', async () => {
    const world = createWorld(place)
    const scheduler = await world.start()
    await scheduler.apply(await scheduler.plan([define('theirs', 10)], { owner: 'other' }))
    await scheduler.add(define('without owner', 10))
    await scheduler.apply(await scheduler.plan([define('ours', 10)], { owner }))
    const { removed } = await scheduler.plan([], { owner })
    expect(removed).toEqual([{ name: 'ours', version: 1, changes: [], before: [at(10), at(20), at(30)], after: [] }])
  })

  it('lists only two next slots for a schedule that ends after two slots', async () => {
    const world = createWorld(place)
    const scheduler = await world.start()
    const tasks = [{ name: 'work', run: () => 1 }]
    const ending = defineJob({ name: 'ending', schedule: everySeconds(10, +at(20)), tasks })
    const { added } = await scheduler.plan([ending], { owner })
    expect(added).toMatchObject([{ after: [at(10), at(20)] }])
  })
})

describe.each(everywhere)('on the storage $name, `remove`', (place) => {
  it('with an expectedVersion that is not the stored version rejects with an error that contains both versions', async () => {
    const world = createWorld(place)
    const scheduler = await world.start({ jobs: [define('job', 10)] })
    await scheduler.update('job', { overlapPolicy: 'queue' })
    expect(await refusalOf(scheduler.remove('job', { expectedVersion: 1 }))).toEqual({
      code,
      value: { expected: 1, actual: 2 },
      message: expect.stringContaining('Job "job" is at version 2, not at 1.'),
    })
    expect(await scheduler.nextRuns('job', 1)).toEqual([at(10)])
    await scheduler.remove('job', { expectedVersion: 2 })
    expect(await refusalOf(scheduler.nextRuns('job'))).toMatchObject({ code: 'JOB_NOT_FOUND' })
  })
})

describe.each(everywhere)('on the storage $name, a plan of a changed definition', (place) => {
  it('lists the same changes that `versions` lists after the plan is applied', async () => {
    const world = createWorld(place)
    const scheduler = await world.start()
    const task = (name: string, more: object = {}) => ({ name, run: () => 1, ...more })
    const base = { name: 'report', schedule: everySeconds(10) }
    const earlier = defineJob({ ...base, tasks: [task('extract'), task('clean'), task('load'), task('mail')] })
    await scheduler.apply(await scheduler.plan([earlier], { owner: 'old-team' }))
    const later = defineJob({
      ...base,
      schedule: everySeconds(20),
      retention: 'forever',
      alertAfter: { hours: 2 },
      tasks: [task('load', { taskTimeout: { seconds: 7 } }), task('extract'), task('notify')],
    })
    const plan = await scheduler.plan([later], { owner })
    const [changed] = plan.changed
    expect(changed?.changes).toEqual([
      {
        part: 'schedule',
        before: { type: 'every', intervalMs: 10_000, endMs: null },
        after: { type: 'every', intervalMs: 20_000, endMs: null },
      },
      { part: 'task', task: 'clean', before: expect.any(Object), after: null },
      { part: 'task', task: 'load', before: { taskTimeoutMs: null }, after: { taskTimeoutMs: 7000 } },
      { part: 'task', task: 'mail', before: expect.any(Object), after: null },
      { part: 'task', task: 'notify', before: null, after: expect.any(Object) },
      { part: 'order of tasks', before: ['extract', 'load'], after: ['load', 'extract'] },
      { part: 'owner', before: 'old-team', after: owner },
      { part: 'retention', before: { olderThanMs: 2_592_000_000, keep: 10 }, after: null },
      { part: 'alertAfterMs', before: null, after: 7_200_000 },
    ])
    await scheduler.apply(plan)
    expect((await scheduler.versions('report'))[0]?.changes).toEqual(changed?.changes)
  })
})
