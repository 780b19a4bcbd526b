import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type JobId, jobId, type OccurrenceId, occurrenceId } from '../src/ids.ts'
import { codec1, type TaskRunRecord } from '../src/storage/index.ts'

const { parseRuns, printRuns, readJobId, readOccurrenceId, writeId } = codec1

const instant = fc.integer({ min: -8_640_000_000_000_000, max: 8_640_000_000_000_000 })
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })

/** Returns the record without members that are `undefined`. */
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

describe('task runs encoded as text by codec 1', () => {
  it('equal the original task runs after they are decoded', () => {
    fc.assert(
      fc.property(fc.array(taskRun, { maxLength: 4 }), instant, (runs, scheduledAt) => {
        const text = printRuns(runs as unknown as TaskRunRecord[], scheduledAt)
        expect(parseRuns(text, scheduledAt)).toEqual(JSON.parse(JSON.stringify(runs)))
      }),
    )
  })

  it('keep unknown members that a later version may add', () => {
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

  it('have a shorter form if they have no errors and no reasons', () => {
    const runs: readonly TaskRunRecord[] = [
      {
        task: 'work',
        state: 'completed',
        attempts: [{ number: 1, state: 'succeeded', startedAt: 1005, endedAt: 1017 }],
      },
    ]
    expect(printRuns(runs, 1000)).toBe('[["work",2,[1,5,17]]]')
  })

  it('are null for an empty list of task runs', () => {
    expect(printRuns([], 0)).toBeNull()
    expect([parseRuns(null, 0), parseRuns('', 0)]).toEqual([[], []])
  })
})

describe('the bytes of an id, encoded by codec 1', () => {
  it('decode to the same job id or occurrence id', () => {
    const job = jobId('nightly')
    const occurrence = occurrenceId(job, 0)
    const bytes = new Uint8Array(40)
    expect([writeId(bytes, 3, job), writeId(bytes, 19, occurrence)]).toEqual([true, true])
    expect([readJobId(bytes, 3), readOccurrenceId(bytes, 19)]).toEqual([job, occurrence])
  })

  it('sort in the same order as the ids', () => {
    const bytesOf = (id: OccurrenceId) => {
      const bytes = Buffer.alloc(16)
      writeId(bytes, 0, id)
      return bytes
    }
    const uuid = fc.uuid().map((text) => `occ_${text}` as OccurrenceId)
    fc.assert(
      fc.property(uuid, uuid, (left, right) => {
        expect(Buffer.compare(bytesOf(left), bytesOf(right))).toBe(left < right ? -1 : left > right ? 1 : 0)
      }),
    )
  })

  it('cannot be written for an id that does not consist of a prefix and a UUID', () => {
    const id = occurrenceId(jobId('nightly'), 0)
    const bytes = new Uint8Array(16)
    for (let place = 0; place < id.length; place++) {
      for (const wrong of ['', 'g', 'A', '_', 'ä', '-', '€', 'İ']) {
        const changed = `${id.slice(0, place)}${wrong}${id.slice(place + 1)}` as OccurrenceId
        if (changed !== id) expect(writeId(bytes, 0, changed), changed).toBe(false)
      }
    }
    for (const other of ['', 'job_', `${id}0`, id.toUpperCase(), `abc_${id.slice(4)}`]) {
      expect(writeId(bytes, 0, other as JobId), other).toBe(false)
    }
  })
})

// Databases of users contain these codes. A change may add names and codes to a codec, but must not change an existing code.
it('the codes for states, reasons and kinds in codec 1 never change', () => {
  expect(codec1.stateCodes).toEqual({
    ...{ pending: 0, queued: 1, running: 2, completed: 3, completed_with_errors: 4 },
    ...{ failed: 5, canceled: 6, failed_stale: 7, skipped: 8, missed: 9 },
  })
  expect(codec1.policyCodes).toEqual({ skip: 0, queue: 1, queue_one: 2, allow: 3, cancel_running: 4 })
  expect(codec1.kindCodes).toEqual({ slot: 0, trigger: 1, replay: 2 })
  const code = codec1.kindCode('trigger', true)
  expect([code, codec1.kindOf(code), codec1.isRecovered(code)]).toEqual([5, 'trigger', true])
})
