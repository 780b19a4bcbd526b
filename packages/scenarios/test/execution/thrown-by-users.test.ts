import type { JobOptions, Logger, Metrics, Scheduler, SchedulerEventName } from '@jobistemer/core'
import { metricsCollector } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { collectingLogger } from '../support/collecting-logger.ts'
import * as stages from '../support/stages.ts'
import { Cast, type Stage } from '../support/stages.ts'
import { watchProcess } from '../support/watch-process.ts'
import { isThorough } from '../../../workspace/test-effort.ts'

/**
 * Ways in which a user's function fails. If `isAlways` is true, the engine notices the failure wherever it calls the function.
 * Otherwise, the engine notices the failure only where it awaits the returned value.
 */
const faults: readonly { readonly how: string; readonly isAlways: boolean; fail(): unknown }[] = [
  {
    how: 'throws',
    isAlways: true,
    fail() {
      throw new Error('odd')
    },
  },
  { how: 'returns a promise that rejects', isAlways: true, fail: () => Promise.reject(new Error('odd')) },
  {
    how: 'returns a rejecting promise without usable then and catch',
    isAlways: true,
    fail: () => withThen(Promise.reject(new Error('odd'))),
  },
  { how: 'returns an object whose then throws', isAlways: false, fail: () => withThen({}) },
]

function withThen(target: object): object {
  const value = () => {
    throw new Error('odd')
  }
  for (const name of ['then', 'catch']) Object.defineProperty(target, name, { value })
  return target
}

const oddError = expect.objectContaining({ message: 'odd' })

// Each of the following tables contains all names of its type: the compiler rejects an incomplete table.

const events: { readonly [Name in SchedulerEventName]: Stage } = {
  'scheduler.started': stages.runs,
  'scheduler.stopped': stages.stops,
  'job.registered': stages.runs,
  'job.paused': stages.isIntervenedIn,
  'job.resumed': stages.isIntervenedIn,
  'job.removed': stages.isIntervenedIn,
  'job.followed': stages.isOlder,
  'job.vanished': stages.storageIsEmptied,
  'job.ahead': stages.isAhead,
  'job.silent': stages.isSilent,
  'job.heard': stages.isSilent,
  'occurrence.created': stages.runs,
  'occurrence.started': stages.runs,
  'occurrence.finished': stages.runs,
  'occurrence.released': stages.stops,
  'occurrence.lost': stages.losesItsRun,
  'occurrence.reaped': stages.takesOver,
  'occurrence.canceled': stages.isIntervenedIn,
  'attempt.started': stages.runs,
  'attempt.progressed': stages.saysTooMuch,
  'attempt.ended': stages.runs,
  'recovery.decided': stages.comesLate,
  'storage.failed': stages.storageIsAway,
  'storage.recovered': stages.storageIsAway,
  'clock.skewed': stages.clockIsWrong,
  'clock.unconfirmed': stages.clockJumps,
  'clock.confirmed': stages.clockJumps,
  'node.joined': stages.othersComeAndGo,
  'node.left': stages.othersComeAndGo,
  'node.lost': stages.othersComeAndGo,
  'node.isolated': stages.isIsolated,
  'node.rejoined': stages.isIsolated,
  'engine.blocked': stages.standsStill,
  'engine.failed': stages.scheduleFails,
  'hook.failed': stages.hookFails,
}

type HookName = {
  [Name in keyof JobOptions]-?: Name extends `on${string}`
    ? NonNullable<JobOptions[Name]> extends (...values: never[]) => unknown
      ? Name
      : never
    : never
}[keyof JobOptions]
const hooks: { readonly [Name in HookName]: Stage } = { onStart: stages.runs, onComplete: stages.runs }

const metricsMethods: { readonly [Name in keyof Metrics]-?: Stage } = {
  increment: stages.runs,
  observe: stages.runs,
  set: stages.runs,
  removeJob: stages.isIntervenedIn,
  gauges: stages.runs,
  end: stages.stops,
}

const loggerMethods: { readonly [Name in keyof Logger]: Stage } = {
  debug: stages.runs,
  info: stages.runs,
  warn: stages.runs,
  error: stages.runs,
}

function namesOf<Name extends string>(table: { readonly [Key in Name]: Stage }): { name: Name; stage: Stage }[] {
  return Object.entries<Stage>(table).map(([name, stage]) => ({ name: name as Name, stage }))
}

/**
 * Brings a scheduler into the test situation `stage`. Checks that every slot of the ordinary jobs has run once, and
 * that no error was unhandled.
 */
async function play(stage: Stage, cast: Cast): Promise<void> {
  const uncaught = watchProcess()
  const seconds = await stage(cast)
  const slots = Array.from({ length: Math.floor(seconds / 10) }, (_, index) => (index + 1) * 10)
  const byNumber = (one: number, other: number) => one - other
  expect({ a: cast.ran.a.sort(byNumber), z: cast.ran.z.sort(byNumber) }).toEqual({ a: slots, z: slots })
  expect(await uncaught()).toEqual([])
}

it('`watchProcess` reports a rejection that no code handles', async () => {
  const uncaught = watchProcess()
  void Promise.reject(new Error('seen'))
  expect(await uncaught()).toEqual([new Error('seen')])
})

/**
 * Returns the events whose listeners fail in one of the four ways. One function calls the listeners of all events. So without
 * `npm run test:extra`, a listener of each event fails in the first way and in one other way.
 */
function eventsFor(way: number): ReturnType<typeof namesOf<SchedulerEventName>> {
  return namesOf(events).filter((_, index) => isThorough || way === 0 || index % (faults.length - 1) === way - 1)
}

describe.each(faults.map((fault, way) => ({ ...fault, way })))("a user's function that $how", (fault) => {
  const { fail, isAlways, way } = fault

  it.each(eventsFor(way))(
    'as a listener of the event $name causes at most one log line, and stops no run and no other listener',
    async ({ name, stage }) => {
      const { logger, lines } = collectingLogger()
      let calls = 0
      const listener = () => {
        calls++
        return fail() as undefined
      }
      const watch = (scheduler: Scheduler) => void scheduler.on(name, listener)
      await play(stage, new Cast({ options: { logger }, watch }))
      expect(calls).toBeGreaterThan(0)
      const message = 'a listener failed; further failures of listeners of this event are not logged'
      const line = { level: 'error', message, event: name, err: oddError }
      expect(lines.filter((one) => one.message === message)).toEqual(isAlways ? [line] : [])
    },
  )

  it.each(namesOf(hooks))(
    'as the hook $name of a job causes one log line for each run, and stops no run',
    async ({ name, stage }) => {
      const { logger, lines } = collectingLogger()
      const cast = new Cast({ options: { logger }, watch: () => undefined }, { [name]: fail })
      await play(stage, cast)
      const line = { level: 'error', message: 'hook failed', hook: name, job: 'odd', err: oddError }
      expect(lines.filter(({ message }) => message === line.message)).toEqual([line, line])
    },
  )

  it.each(namesOf(metricsMethods))(
    'as the method $name of metrics causes at most one log line, and stops no run',
    async ({ name, stage }) => {
      const { logger, lines } = collectingLogger()
      let calls = 0
      const method = () => {
        calls++
        return fail()
      }
      const metrics = { ...metricsCollector(), [name]: method }
      await play(stage, new Cast({ options: { logger, metrics }, watch: () => undefined }))
      expect(calls).toBeGreaterThan(0)
      const message =
        'a method of metrics failed: metrics may be incomplete; further failures of this method are not logged'
      const line = { level: 'error', message, method: name, err: oddError }
      expect(lines.filter((one) => one.message === message)).toEqual(isAlways ? [line] : [])
    },
  )

  it.each(namesOf(loggerMethods))('as the method $name of a logger stops no run', async ({ name, stage }) => {
    let calls = 0
    const method = () => {
      calls++
      return fail() as undefined
    }
    const logger = { ...collectingLogger().logger, [name]: method }
    await play(stage, new Cast({ options: { logger }, watch: () => undefined }))
    expect(calls).toBeGreaterThan(0)
  })
})
