import { type OccurrenceId, occurrenceId, jobId } from '@jobistemer/core'
import type { TaskRunRecord } from '@jobistemer/core/storage'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareKeys } from '../src/history.ts'
import { idOf, keyOf } from '../src/occurrence-key.ts'
import { parseRuns, printRuns } from '../src/runs-text.ts'

const instant = fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 })
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

/** Without members that are `undefined`, as records are. */
function dense<T extends object>(record: T): T {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T
}

const attempt = fc
  .record({
    state: fc.constantFrom('running', 'succeeded', 'failed', 'timed_out', 'aborted', 'lost', 'waiting'),
    startedAt: instant,
    endedAt: fc.option(instant),
    error: optional(fc.record({ name: fc.string(), message: fc.string() })),
    reason: optional(fc.string()),
  })
  .map(dense)

const taskRun = fc
  .record({
    task: fc.string({ minLength: 1, unit: 'binary' }),
    state: fc.constantFrom('running', 'retrying', 'completed', 'failed', 'canceled'),
    attempts: fc.array(attempt, { maxLength: 4 }),
    result: optional(fc.jsonValue()),
    reason: optional(fc.string()),
  })
  .map(dense)
  .map((run) => ({ ...run, attempts: run.attempts.map((one, index) => ({ number: index + 1, ...one })) }))

describe('task runs as text', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(fc.array(taskRun, { maxLength: 4 }), instant, (runs, scheduledAt) => {
        const text = printRuns(runs as unknown as TaskRunRecord[], scheduledAt)
        expect(parseRuns(text, scheduledAt)).toEqual(JSON.parse(JSON.stringify(runs)))
      }),
    )
  })

  it('keep what a later version may add', () => {
    const runs = [
      {
        task: 'work',
        state: 'completed',
        attempts: [{ number: 1, state: 'succeeded', startedAt: 5, endedAt: 9, cost: 3 }],
      },
      { task: 'more', state: 'completed', attempts: [], priority: 7 },
    ] as unknown as TaskRunRecord[]
    for (const run of runs) expect(parseRuns(printRuns([run], 5), 5)).toEqual([run])
  })

  it('are short where nothing is out of the ordinary', () => {
    const runs: readonly TaskRunRecord[] = [
      {
        task: 'work',
        state: 'completed',
        attempts: [{ number: 1, state: 'succeeded', startedAt: 1005, endedAt: 1017 }],
      },
    ]
    expect(printRuns(runs, 1000)).toBe('[["work",2,[1,5,17]]]')
  })

  it('are nothing where there are none', () => {
    expect(printRuns([], 0)).toBeNull()
    expect(parseRuns(null, 0)).toEqual([])
  })
})

describe('the key of an occurrence', () => {
  const uuid = fc.uuid().map((text) => `occ_${text}` as OccurrenceId)
  const other = fc.oneof(
    fc.string().map((text) => `occ_${text}` as OccurrenceId),
    fc.uuid().map((text) => `occ_${text.toUpperCase()}` as OccurrenceId),
    fc.uuid().map((text) => `occ_${text.replaceAll('-', '0')}` as OccurrenceId),
    fc.uuid().map((text) => `occ_${text.replace(/[0-9a-f]$/, 'İ')}` as OccurrenceId),
  )

  it('gives the id back, whatever its form', () => {
    fc.assert(fc.property(fc.oneof(uuid, other), (id) => idOf(keyOf(id)) === id))
  })

  it('is sixteen bytes for an id that core makes', () => {
    expect(keyOf(occurrenceId(jobId('nightly'), 0))).toHaveLength(16)
  })

  it('sorts as the id does', () => {
    fc.assert(
      fc.property(uuid, uuid, (left, right) => {
        expect(Math.sign(compareKeys(keyOf(left), keyOf(right)))).toBe(left < right ? -1 : left > right ? 1 : 0)
      }),
    )
  })
})
