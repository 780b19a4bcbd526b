import {
  type AttemptReport,
  attemptId,
  jobId,
  type Occurrence,
  occurrenceId,
  type TaskReport,
  taskId,
  taskRunId,
} from '@jobistemer/core'
import { expect, it } from 'vitest'
import { type CheckInput, checkLedger } from '../src/ledger-check.ts'
import type { WitnessLine } from '../src/witness.ts'

const taskNames = ['copy', 'compress', 'verify']
const job = jobId('backup')
const firstSlotMs = Date.UTC(2026, 0, 1)

/** The input of the checks for one run of the demo. A test can change each part. */
interface Run extends CheckInput {
  readonly slots: Date[]
  readonly occurrences: Occurrence[]
  readonly witness: WitnessLine[]
  kill: CheckInput['kill']
}

function slotAt(index: number): Date {
  return new Date(firstSlotMs + index * 3000)
}

/** Returns a run without problems: node A was killed during the second slot's `compress`, and node B continued. */
function goodRun(): Run {
  const run: Run = { slots: [], occurrences: [], witness: [], taskNames, kill: { node: 'A', successor: 'B' } }
  for (let index = 0; index < 3; index++) {
    const interrupted = index === 1
    const id = occurrenceId(job, slotAt(index))
    run.slots.push(slotAt(index))
    const tasks = taskNames.map((name): TaskReport => {
      const states: AttemptReport['state'][] =
        interrupted && name === 'compress' ? ['lost', 'succeeded'] : ['succeeded']
      for (const [before, state] of states.entries()) {
        const lateness = interrupted && (name === 'verify' || before > 0) ? 2 : 1
        run.witness.push(line('start', index, name, before + 1, lateness))
        if (state === 'succeeded') run.witness.push(line('succeeded', index, name, before + 1, lateness))
      }
      return taskReport(id, name, states)
    })
    run.occurrences.push(occurrence(index, tasks))
  }
  return run
}

function line(event: WitnessLine['event'], slot: number, task: string, attempt: number, life = 1): WitnessLine {
  const scheduledAt = slotAt(slot).toISOString()
  const occurrence = occurrenceId(job, slotAt(slot))
  const node = nodeOf(slot, life)
  const process = node === 'A' ? 101 : 102
  return { event, occurrence, scheduledAt, task, attempt, fencingToken: life, node, process, at: scheduledAt }
}

function nodeOf(slot: number, life: number): string {
  return slot > 1 || life > 1 ? 'B' : 'A'
}

function taskReport(occurrence: Occurrence['id'], name: string, states: readonly AttemptReport['state'][]): TaskReport {
  const runId = taskRunId(occurrence, taskId(job, name))
  const attempts = states.map((state, index): AttemptReport => {
    const id = attemptId(runId, index + 1)
    const at = new Date(firstSlotMs)
    const told = { error: null, reason: null, progress: null, logs: [], droppedLogs: 0 }
    return { id, number: index + 1, state, startedAt: at, endedAt: at, durationMs: 0, ...told }
  })
  const id = taskId(job, name)
  const attemptCount = attempts.length
  const outcome = {
    state: 'completed',
    reason: null,
    durationMs: 0,
    result: undefined,
    error: null,
    progress: null,
  } as const
  return { id, runId, name, ...outcome, attempts, attemptCount }
}

function occurrence(slot: number, tasks: readonly TaskReport[], change: Partial<Occurrence> = {}): Occurrence {
  const scheduledAt = slotAt(slot)
  return {
    id: occurrenceId(job, scheduledAt),
    jobId: job,
    kind: 'slot',
    state: 'completed',
    reason: null,
    scheduledAt,
    slot: null,
    createdAt: scheduledAt,
    startedAt: scheduledAt,
    finishedAt: scheduledAt,
    node: nodeOf(slot, slot === 1 ? 2 : 1),
    fencingToken: slot === 1 ? 2 : 1,
    jobVersion: 1,
    recovered: false,
    replayOf: null,
    backfill: null,
    requestKey: null,
    requestReason: null,
    requestActor: null,
    cancelRequest: null,
    priority: 0,
    rescues: 0,
    input: undefined,
    span: null,
    tasks,
    ...change,
  }
}

function problemsOf(run: CheckInput): readonly string[] {
  return checkLedger(run).flatMap(({ problems }) => problems)
}

function indexOf(run: Run, event: WitnessLine['event'], slot: number, task: string, attempt = 1): number {
  const occurrence = occurrenceId(job, slotAt(slot))
  return run.witness.findIndex(
    (one) => one.event === event && one.occurrence === occurrence && one.task === task && one.attempt === attempt,
  )
}

it('the ledger check finds no problem if a killed node of the demo lost one attempt, and every other attempt ran once', () => {
  expect(problemsOf(goodRun())).toEqual([])
})

const compress = 'compress attempt 1'
const second = occurrenceId(job, slotAt(1))

const defects: readonly (readonly [string, (run: Run) => void, string])[] = [
  ['a slot without an entry', (run) => run.occurrences.splice(2, 1), '00:00:06 has 0 entries'],
  [
    'a slot with two entries',
    (run) => run.occurrences.push({ ...(run.occurrences[2] as Occurrence), id: 'occ_other' }),
    '00:00:06 has 2 entries',
  ],
  [
    'an entry for no slot',
    (run) => run.slots.pop(),
    `${occurrenceId(job, slotAt(2))} is for 2026-01-01T00:00:06.000Z, which is no slot`,
  ],
  [
    'an entry that is not completed',
    (run) => {
      run.occurrences[2] = { ...(run.occurrences[2] as Occurrence), state: 'running' }
    },
    '00:00:06 is running',
  ],
  [
    'a completed entry without one of its tasks',
    (run) => {
      const [entry] = run.occurrences
      run.occurrences[0] = { ...(entry as Occurrence), tasks: entry?.tasks.slice(1) ?? [] }
    },
    '00:00:00 has no copy',
  ],
  [
    'a start that is written twice',
    (run) => run.witness.push(line('start', 1, 'compress', 1)),
    `00:00:03 ${compress} started 2 times`,
  ],
  [
    'a start without a witness line',
    (run) => run.witness.splice(indexOf(run, 'start', 0, 'copy'), 1),
    '00:00:00 copy attempt 1 is in the ledger, but never started',
  ],
  [
    'a start that the ledger does not know',
    (run) => run.witness.push(line('start', 1, 'compress', 3, 2)),
    `${second} compress attempt 3 started, but is not in the ledger`,
  ],
  [
    'an end without a witness line',
    (run) => run.witness.splice(indexOf(run, 'succeeded', 2, 'verify'), 1),
    '00:00:06 verify completed 0 times',
  ],
  [
    'an end that is written twice',
    (run) => run.witness.push(line('succeeded', 2, 'verify', 1)),
    '00:00:06 verify completed 2 times',
  ],
  [
    'a completed task that started again',
    (run) => run.witness.push(line('start', 2, 'verify', 2)),
    '00:00:06 verify started again after its completion',
  ],
  [
    'another attempt that completed than the ledger says',
    (run) => {
      const index = indexOf(run, 'succeeded', 1, 'compress', 2)
      run.witness[index] = line('succeeded', 1, 'compress', 1, 2)
    },
    '00:00:03 compress was completed by another attempt',
  ],
  [
    'two tasks at the same time',
    (run) => {
      const index = indexOf(run, 'succeeded', 0, 'copy')
      const [end] = run.witness.splice(index, 1)
      run.witness.splice(index + 1, 0, end as WitnessLine)
    },
    `00:00:00 ${compress} started while ${occurrenceId(job, slotAt(0))} copy attempt 1 was running`,
  ],
  [
    'a former owner that goes on',
    (run) => {
      const index = indexOf(run, 'start', 1, 'verify')
      run.witness[index] = line('start', 1, 'verify', 1, 1)
    },
    '00:00:03 verify attempt 1 started for a former owner',
  ],
  [
    'a lost attempt that came to its end',
    (run) => {
      const index = indexOf(run, 'start', 1, 'compress')
      run.witness.splice(index + 1, 0, line('succeeded', 1, 'compress', 1))
    },
    `00:00:03 ${compress} is recorded as lost, but ended`,
  ],
  [
    'a retry by the owner that had gone',
    (run) => {
      for (const event of ['start', 'succeeded'] as const) {
        const index = indexOf(run, event, 1, 'compress', 2)
        run.witness[index] = line(event, 1, 'compress', 2, 1)
      }
    },
    `00:00:03 ${compress} and the one after it have the same owner`,
  ],
  [
    'a node other than the node in the ledger',
    (run) => {
      run.occurrences[2] = { ...(run.occurrences[2] as Occurrence), node: 'A' }
    },
    '00:00:06 ended on node B, but the ledger names A',
  ],
  [
    'a lost attempt of a node that was not killed',
    (run) => (run.kill = { node: 'C', successor: 'B' }),
    `00:00:03 ${compress} was not on node C`,
  ],
  [
    'another successor than expected',
    (run) => (run.kill = { node: 'A', successor: 'A' }),
    `00:00:03 ${compress} was carried on by node B instead of A`,
  ],
  [
    'a kill that left no trace',
    (run) => {
      const [attempt] = run.occurrences[1]?.tasks[1]?.attempts ?? []
      Object.assign(attempt as AttemptReport, { state: 'failed' })
    },
    '1 killed, but 0 recorded as lost',
  ],
  ['a loss without a kill', (run) => (run.kill = null), '0 killed, but 1 recorded as lost'],
]

it.each(defects)(
  'the ledger check reports a contradiction between the ledger, the recorded kill and the witness file of the tasks: %s',
  (_, spoil, problem) => {
    const run = goodRun()
    spoil(run)
    expect(problemsOf(run)).toContain(problem)
  },
)

it('the ledger check reports a problem if any line is missing in the witness file, the demo’s record of attempts', () => {
  const lines = goodRun().witness.length
  for (let index = 0; index < lines; index++) {
    const run = goodRun()
    const [removed] = run.witness.splice(index, 1)
    expect(problemsOf(run).length, JSON.stringify(removed)).toBeGreaterThan(0)
  }
})

it('the ledger check reports a problem if any line is duplicated in the witness file, the demo’s record of attempts', () => {
  const lines = goodRun().witness.length
  for (let index = 0; index < lines; index++) {
    const run = goodRun()
    run.witness.splice(index, 0, run.witness[index] as WitnessLine)
    expect(problemsOf(run).length, JSON.stringify(run.witness[index])).toBeGreaterThan(0)
  }
})
