import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Isolation, Occurrence } from '@jobistemer/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  behaves,
  isolatedScene,
  isolations,
  lastAttempt,
  modules,
  resultOf,
  sharedCase,
} from '../support/isolated-scene.ts'
import { gone } from '../support/living-process.ts'

function task(isolation: Isolation, kind: string, more: object = {}) {
  return { name: 'work', module: behaves, isolation, pool: true, data: { kind, ...more }, killAfter: 1 }
}

interface PlaceOfAttempt {
  readonly place: string
  readonly attempts: number
}

const placeOf = (occurrence: Occurrence): PlaceOfAttempt => resultOf(occurrence) as PlaceOfAttempt

describe.each(isolations)('a pool of children, each a %s,', (isolation) => {
  const shared = sharedCase(isolation)

  it('reuses a child for the next attempt', async () => {
    const { run } = await isolatedScene({ job: task(isolation, 'place') })
    const first = placeOf(await run('job'))
    expect(placeOf(await run('job'))).toEqual({ place: first.place, attempts: 2 })
  })

  shared?.('reuses a child after its handler threw', async () => {
    const { run } = await isolatedScene({ job: task(isolation, 'place'), throwing: task(isolation, 'throws') })
    const first = placeOf(await run('job'))
    expect((await run('throwing')).state).toBe('failed')
    expect(placeOf(await run('job'))).toEqual({ place: first.place, attempts: 2 })
  })

  it('never reuses a child that died', async () => {
    const { run } = await isolatedScene({ job: task(isolation, 'place'), dying: task(isolation, 'exits', { code: 0 }) })
    const first = placeOf(await run('job'))
    expect(lastAttempt(await run('dying'))?.error?.code).toBe('CHILD_DIED')
    const next = placeOf(await run('job'))
    expect(next.attempts).toBe(1)
    expect(next.place).not.toBe(first.place)
  })

  shared?.('never reuses a child whose attempt was aborted, even if the handler obeyed its signal', async () => {
    const { run, begin, scheduler } = await isolatedScene({
      job: task(isolation, 'place'),
      long: { ...task(isolation, 'obeys'), killAfter: { minutes: 10 } },
    })
    const first = placeOf(await run('job'))
    const { id } = await begin('long')
    await scheduler.cancel(id)
    await scheduler.waitFor(id)
    const next = placeOf(await run('job'))
    expect(next.place).not.toBe(first.place)
  })

  shared?.('never reuses a child that could not import its module', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'jobistemer-isolated-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const env = { MARK: join(folder, 'mark') }
    const { run } = await isolatedScene(
      { job: { name: 'work', module: modules['fails-once.mjs'], isolation, pool: true, env } },
      {},
      { retryPolicy: { maxRetries: 1, retryInterval: 1 } },
    )
    const occurrence = await run('job')
    expect(occurrence.tasks[0]?.attempts.map(({ error }) => [error?.code, error?.cause?.message])).toEqual([
      ['INVALID_MODULE', 'the first import fails'],
      [undefined, undefined],
    ])
    expect(resultOf(occurrence)).toBe('imported')
  })

  shared?.('shares its children only between tasks with the same module, environment and limits', async () => {
    const { run } = await isolatedScene({
      job: task(isolation, 'place'),
      other: { ...task(isolation, 'place'), env: { OTHER: '1' } },
      limited: { ...task(isolation, 'place'), resourceLimits: { maxOldGenerationSizeMb: 64 } },
    })
    const names = ['job', 'other', 'limited', 'job', 'other', 'limited']
    const places: PlaceOfAttempt[] = []
    for (const name of names) places.push(placeOf(await run(name)))
    expect(places.map(({ attempts }) => attempts)).toEqual([1, 1, 1, 2, 2, 2])
    expect(new Set(places.map(({ place }) => place)).size).toBe(3)
  })

  shared?.(
    'ends an idle child if a task with another environment needs a child and maxChildren is reached',
    async () => {
      const { run } = await isolatedScene(
        { job: task(isolation, 'place'), other: { ...task(isolation, 'place'), env: { OTHER: '1' } } },
        { maxChildren: 1 },
      )
      const places: PlaceOfAttempt[] = []
      for (const name of ['job', 'other', 'job']) places.push(placeOf(await run(name)))
      expect(places.map(({ attempts }) => attempts)).toEqual([1, 1, 1])
    },
  )

  shared?.('has at most maxChildren children', async () => {
    const tasks = Array.from({ length: 12 }, (_, index) => ({ ...task(isolation, 'place'), name: `${index}` }))
    const { run } = await isolatedScene({ job: tasks }, { maxChildren: 3 }, { taskExecutionMode: 'parallel' })
    const { tasks: ran } = await run('job')
    const places = new Set(ran.map(({ result }) => (result as unknown as PlaceOfAttempt).place))
    expect(ran.every(({ state }) => state === 'completed')).toBe(true)
    expect(places.size).toBeLessThanOrEqual(3)
  })
})

it('a shutdown ends the idle child processes of a pool', async () => {
  const { run, scheduler } = await isolatedScene({ job: task('process', 'place') })
  const { place } = placeOf(await run('job'))
  await scheduler.shutdown()
  await gone(Number(place.split(' ')[1]))
})
