import fc from 'fast-check'
import { v5 } from 'uuid'
import { describe, expect, it } from 'vitest'
import {
  attemptId,
  jobId,
  missedRangeId,
  occurrenceId,
  replayOccurrenceId,
  taskId,
  taskRunId,
  triggerOccurrenceId,
  uuidV5In,
} from '../src/ids.ts'
import { toInstantText } from '../src/instant.ts'
import { thrownBy } from './support/thrown-by.ts'
import golden from './vectors/ids.json' with { type: 'json' }

describe.each(golden.vectors)(
  'the expected ids of the job $jobName and the task $taskName at the instant $scheduledAt',
  (vector) => {
    const job = jobId(vector.jobName)
    const task = taskId(job, vector.taskName)
    const occurrence = occurrenceId(job, vector.scheduledAt)
    const run = taskRunId(occurrence, task)

    it('are the ids that the id functions derive for the job, the task, the occurrence and the task run', () => {
      expect({ job, task, occurrence, run }).toEqual({
        job: vector.jobId,
        task: vector.taskId,
        occurrence: vector.occurrenceId,
        run: vector.taskRunId,
      })
    })

    it('include the attempt ids that attemptId derives for the numbers 0, 1 and 12', () => {
      expect(attemptId(run, 0)).toBe(vector.attempt0)
      expect(attemptId(run, 1)).toBe(vector.attempt1)
      expect(attemptId(run, 12)).toBe(vector.attempt12)
    })

    it('include one occurrence id, whether the instant is given as a text, a Date or a number', () => {
      expect(toInstantText(vector.scheduledAt)).toBe(vector.canonicalTime)
      expect(occurrenceId(job, new Date(vector.scheduledAt))).toBe(vector.occurrenceId)
      expect(occurrenceId(job, Date.parse(vector.scheduledAt))).toBe(vector.occurrenceId)
    })
  },
)

it('the file of expected ids contains eleven examples', () => {
  expect(golden.vectors).toHaveLength(11)
})

const names = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.string({ unit: 'grapheme', maxLength: 3000 }))

describe('a UUIDv5', () => {
  it('equals the UUID of the npm package uuid, for any name in any namespace', () => {
    fc.assert(
      fc.property(fc.uuid(), names, (namespace, name) => {
        expect(uuidV5In(namespace)(name)).toBe(v5(Buffer.from(name, 'utf8'), namespace))
      }),
    )
  })

  it('is correct even if the previous UUID had a name that is too long for the buffer that all UUIDs share', () => {
    const make = uuidV5In(golden.namespaces.job)
    const long = '☕'.repeat(5000)
    expect(make(long)).toBe(v5(long, golden.namespaces.job))
    expect(make('daily-backup')).toBe(v5('daily-backup', golden.namespaces.job))
  })
})

describe('occurrence ids', () => {
  it('differ for two instants within one second', () => {
    const job = jobId('a')
    const ids = [0, 1, 20, 250, 500, 999].map((ms) => occurrenceId(job, Date.UTC(2026, 0, 1) + ms))
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('of triggers and replays differ from ids of slots, and from one another if the kind, job, key, original or number differs', () => {
    const job = jobId('a')
    const at = '2026-01-01T00:00:00Z'
    const slot = occurrenceId(job, at)
    const ids = [
      slot,
      triggerOccurrenceId(job, at),
      triggerOccurrenceId(job, 'again'),
      replayOccurrenceId(slot, 1),
      replayOccurrenceId(slot, 2),
      triggerOccurrenceId(jobId('b'), at),
    ]
    expect(new Set(ids).size).toBe(ids.length)
    expect(triggerOccurrenceId(job, at)).toBe(ids[1])
  })

  it('of missed ranges differ from ids of slots and triggers, and from one another if the job or the first slot differs', () => {
    const job = jobId('a')
    const at = '2026-01-01T00:00:00Z'
    const ids = [
      missedRangeId(job, at),
      missedRangeId(job, '2026-01-01T00:00:01Z'),
      missedRangeId(jobId('b'), at),
      occurrenceId(job, at),
      triggerOccurrenceId(job, at),
    ]
    expect(new Set(ids).size).toBe(ids.length)
    expect(missedRangeId(job, Date.parse(at))).toBe(ids[0])
  })

  it('are refused for an invalid instant', () => {
    for (const make of [occurrenceId, missedRangeId]) {
      expect(thrownBy(() => make(jobId('a'), 'yesterday')).code).toBe('INVALID_INSTANT')
    }
  })
})

describe('names of jobs and tasks with half a surrogate pair', () => {
  it.each(['\ud800', 'report \udfff', '\udc00\ud800', undefined, 5, { name: 'report' }])(
    'are refused with INVALID_NAME: %j',
    (name) => {
      const refused = { code: 'INVALID_NAME', value: name, remedy: expect.any(String) }
      expect(() => jobId(name as string)).toThrow(expect.objectContaining({ ...refused, field: 'name' }))
      expect(() => taskId(jobId('a'), name as string)).toThrow(
        expect.objectContaining({ ...refused, field: 'taskName' }),
      )
    },
  )

  it('are refused, while names with whole surrogate pairs have distinct ids', () => {
    expect(jobId('\ud83d\ude00')).not.toBe(jobId('\ud83d\ude01'))
  })
})
