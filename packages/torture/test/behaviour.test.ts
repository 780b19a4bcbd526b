import { jobId, occurrenceId } from '@jobistemer/core'
import { expect, it } from 'vitest'
import { behaviourOf } from '../src/workload/behaviour.ts'
import { workload } from '../src/workload/workload.ts'

const task = { name: 'task', durationMs: [100, 200] as const, failing: 0.5, endless: 0.1 }

function behaviours(seed: string) {
  return Array.from({ length: 300 }, (_, index) => {
    const occurrence = occurrenceId(jobId('job'), index * 1000)
    return behaviourOf(task, { seed, occurrence, number: 1 })
  })
}

it('with the same seed, an attempt of the torture test behaves in the same way on every node', () => {
  expect(behaviours('a')).toEqual(behaviours('a'))
  expect(behaviours('a')).not.toEqual(behaviours('b'))
})

it('the torture test’s attempts have the durations and the share of failures that their job defines', () => {
  const all = behaviours('a')
  for (const { durationMs } of all) if (durationMs !== null) expect(durationMs >= 100 && durationMs < 200).toBe(true)
  const share = (count: number) => count / all.length
  expect(share(all.filter((one) => one.fails).length)).toBeCloseTo(0.5, 1)
  expect(share(all.filter((one) => one.durationMs === null).length)).toBeCloseTo(0.1, 1)
})

it('the torture test’s jobs use every overlap policy, recovery strategy and failure strategy, and every value of onInterrupted', () => {
  const settings = workload(1).map((job) => job.settings)
  const recovery = settings.map(({ recoveryStrategy }) =>
    typeof recoveryStrategy === 'object' ? recoveryStrategy.type : recoveryStrategy,
  )
  expect(new Set(settings.map((one) => one.overlapPolicy))).toEqual(
    new Set(['skip', 'queue', 'queue_one', 'allow', 'cancel_running']),
  )
  expect(new Set(recovery)).toEqual(
    new Set(['execute_all', 'execute_last', 'mark_as_missed', 'bounded_window', 'compressed']),
  )
  expect(new Set(settings.map((one) => one.failureStrategy ?? 'fail_fast'))).toEqual(
    new Set(['fail_fast', 'continue', 'retry_on_failure']),
  )
  expect(new Set(settings.map((one) => one.onInterrupted ?? 'retry'))).toEqual(new Set(['fail', 'retry']))
  expect(new Set(settings.map((one) => one.taskExecutionMode ?? 'sequential'))).toEqual(
    new Set(['sequential', 'parallel']),
  )
})
