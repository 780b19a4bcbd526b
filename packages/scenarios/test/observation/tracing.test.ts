import {
  createScheduler,
  defineJob,
  type Scheduler,
  type SchedulerEvents,
  type SchedulerOptions,
  silentLogger,
  type TracedRequest,
  type TracedRun,
  type Tracing,
} from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import { everywhere, type PlaceKind } from '../support/places.ts'
import { createWorld } from '../support/world.ts'

/**
 * Makes an object for the option `tracing`. The object numbers the trace contexts that it creates, and records its calls.
 */
function recordingTracing() {
  const told: string[] = []
  const requests: TracedRequest[] = []
  const runs: TracedRun[] = []
  let number = 0
  const nextContext = () => {
    number++
    const id = String(number).padStart(16, '0')
    return { traceparent: `00-${id}${id}-${id}-01`, tracestate: `n=${number}` }
  }
  const tracing: Tracing = {
    outside: (call) => call(),
    requested(request) {
      requests.push(request)
      return {
        context: nextContext(),
        ended: (end) => told.push(`${request.operation} ${end.error === null ? 'answered' : 'failed'}`),
      }
    },
    started(run) {
      runs.push(run)
      return {
        context: nextContext(),
        within: (call) => call(),
        logFields: () => ({}),
        attempt: ({ task, number }) => ({
          within: (call) => call(),
          logFields: () => ({}),
          ended: ({ state, retryInMs }) => told.push(`${task} ${number} ${state} ${retryInMs}`),
        }),
        ended: ({ outcome, reason }) => told.push(`run ${outcome} ${reason}`),
      }
    },
  }
  return { tracing, told, requests, runs }
}

/** Makes a function that starts schedulers on one clock and one storage. */
function nodesOn(kind: PlaceKind) {
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const place = kind.open()
  const storage = place.connect()
  const schedulers: Scheduler[] = []
  onTestFinished(async () => {
    for (const scheduler of schedulers) await scheduler.shutdown()
    await storage.close()
    place.dispose()
  })
  const start = async (options: Partial<SchedulerOptions>): Promise<Scheduler> => {
    const scheduler = createScheduler({ logger: silentLogger, ...options, clock, storage })
    schedulers.push(scheduler)
    await scheduler.start()
    return scheduler
  }
  return { clock, start }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('a run receives the trace context of its request, and its next owner and its replay receive the context of the run', async () => {
    const { clock, start } = nodesOn(place)
    const { tracing, told, requests, runs } = recordingTracing()
    const job = defineJob({
      name: 'job',
      onInterrupted: 'retry',
      tasks: [
        {
          name: 'work',
          run: ({ attempt, replayOf, signal }) =>
            attempt === 1 && replayOf === null ? clock.sleep({ hours: 1 }, signal) : undefined,
        },
      ],
    })
    const first = await start({ jobs: [job], tracing, nodeId: 'first' })
    const { id } = await first.trigger('job')
    await clock.advance({ seconds: 5 })
    await first.shutdown({ gracePeriod: 0 })
    const second = await start({ jobs: [job], tracing, nodeId: 'second' })
    await clock.advance({ minutes: 2 })
    await second.replay(id)
    await clock.advance({ minutes: 2 })

    const number = (trace: { readonly traceparent: string } | null | undefined) =>
      trace == null ? null : Number(trace.traceparent.split('-')[2])
    expect(runs.map(({ request, earlier }) => [number(request), number(earlier)])).toEqual([
      [1, null],
      [1, 2],
      [4, null],
    ])
    expect(runs[1]?.request?.tracestate).toBe('n=1')
    expect(requests.map(({ operation, original }) => [operation, number(original)])).toEqual([
      ['trigger', null],
      ['replay', 3],
    ])
    expect(told.slice(0, 5)).toEqual([
      'trigger answered',
      'work 1 aborted null',
      'run released shutdown',
      'work 2 succeeded null',
      'run completed null',
    ])
  })

  it('tracing that throws or returns invalid values does not disturb the run, and causes `hook.failed`', async () => {
    const world = createWorld(place)
    const fail = (): never => {
      throw new Error('no')
    }
    const broken: readonly Partial<Tracing>[] = [
      { outside: fail, requested: fail, started: fail },
      { requested: () => ({ context: { traceparent: 'x'.repeat(1e6) }, ended: fail }) },
      { started: () => ({ context: null, within: fail, logFields: fail, attempt: fail, ended: fail }) },
      // This faulty `outside` calls the given function twice, and returns a list of the two results.
      { outside: (call) => [call(), call()] as never },
    ]
    for (const [index, methods] of broken.entries()) {
      let calls = 0
      const run = ({ logger }: { logger: { info(fields: object, message: string): void } }) => {
        calls++
        logger.info({}, 'a line')
        return index
      }
      const job = defineJob({ name: `job ${index}`, onStart: () => undefined, tasks: [{ name: 'work', run }] })
      const scheduler = await world.start({ jobs: [job], tracing: { ...recordingTracing().tracing, ...methods } })
      const failures: SchedulerEvents['hook.failed'][] = []
      scheduler.on('hook.failed', (event) => failures.push(event))
      const { id } = await scheduler.trigger(`job ${index}`)
      await world.clock.advance({ minutes: 1 })
      const { state, tasks } = await scheduler.occurrence(id)
      expect([state, tasks[0]?.result, calls]).toEqual(['completed', index, 1])
      expect(failures.length > 0).toBe(index < 3)
      expect(failures.every(({ hook }) => hook.startsWith('tracing.'))).toBe(true)
      await scheduler.shutdown()
    }
  })
})
