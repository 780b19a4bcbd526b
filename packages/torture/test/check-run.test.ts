import { jobId, type OccurrenceId, occurrenceId } from '@jobistemer/core'
import type { TaskRunRecord } from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'
import { checkLossyRun, checkRun } from '../src/checker/check-run.ts'
import { checkTakeovers } from '../src/checker/check-takeovers.ts'
import { RunView } from '../src/checker/run-view.ts'
import { exclusive, mono, open, origin, rated, Story, taskRun } from './support/story.ts'

function rulesOf(story: Story): readonly string[] {
  return checkRun(story.run()).map((violation) => violation.rule)
}

/** Adds a history in which the owner of a slot is stopped, another node reaps the run, and the owner resumes too late. */
function rescue(story: Story, options: { readonly lateAttempt?: number } = {}) {
  const occurrence = story.slot(1000)
  story.record(occurrence, {
    scheduledAt: origin + 1000,
    finishedAt: origin + 4100,
    token: 2,
    runs: [taskRun('lost', 'lost', 'succeeded')],
  })
  story.created(1004, 'a.1', occurrence)
  story.granted({ at: 1004, occurrence, life: 'a.1' })
  story.start({ at: 1010, occurrence, life: 'a.1' })
  story.driver(1050, { event: 'stopped', life: 'a.1' })
  story.reaped({ at: 3000, occurrence, life: 'b.1', action: 'retry' })
  story.granted({ at: 4000, occurrence, life: 'b.1', token: 2 })
  story.start({ at: 4010, occurrence, life: 'b.1', token: 2, attempt: 3 })
  story.end({ at: 4090, occurrence, life: 'b.1', token: 2, attempt: 3 })
  story.settled({ at: 4100, occurrence, life: 'b.1', token: 2 }, 'completed')
  story.driver(5000, { event: 'resumed', life: 'a.1' })
  story.start({ at: 5010, occurrence, life: 'a.1', attempt: options.lateAttempt ?? 2 })
  story.end({ at: 5020, occurrence, life: 'a.1' }, 'aborted')
  story.end({ at: 5020, occurrence, life: 'a.1', attempt: options.lateAttempt ?? 2 }, 'aborted')
  story.node(5030, { event: 'refused', life: 'a.1', occurrence, token: 1 })
  return occurrence
}

/** Adds an occurrence that `a.1` owns from 1004 ms on, and that another node ends at 2620 ms. */
function takenAsDead(story: Story) {
  const occurrence = story.slot(1000)
  const ended = { finishedAt: origin + 2620, state: 'failed_stale' } as const
  story.record(occurrence, { scheduledAt: origin + 1000, ...ended, runs: [taskRun('lost')] })
  story.granted({ at: 1004, occurrence, life: 'a.1' })
  return occurrence
}

describe('rows of a user’s table', () => {
  const moved = { attempts: [], state: 'completed', task: 'move', result: 1 } as const
  const rowOf = (occurrence: OccurrenceId, attempt = 1) => ({ occurrence, task: 'move', attempt, token: 1 })

  function told(run: TaskRunRecord, attempts: readonly number[]) {
    const story = new Story()
    const occurrence = story.slot(1000)
    story.record(occurrence, { scheduledAt: origin + 1000, finishedAt: origin + 1100, runs: [run] })
    story.rows.push(...attempts.map((attempt) => rowOf(occurrence, attempt)))
    return checkRun(story.run()).filter(({ rule }) => rule === 'rows')
  }

  it('a row for each completed task passes', () => {
    expect(told(moved, [1])).toEqual([])
    expect(told({ ...moved, state: 'failed' }, [])).toEqual([])
  })

  it('a missing row, a double row, a row of another attempt and a row without an end are violations', () => {
    expect(told(moved, [])).toHaveLength(1)
    expect(told(moved, [1, 1])).toHaveLength(1)
    expect(told(moved, [2])).toHaveLength(1)
    expect(told({ ...moved, state: 'failed' }, [1])).toHaveLength(1)
    const story = new Story()
    story.rows.push(rowOf(story.slot(1000)))
    expect(rulesOf(story)).toEqual(['rows'])
  })

  /**
   * Returns a story in which `a.1` writes a row at `movedAt` with its task's completion, and `b.1` reaps the occurrence
   * at `reapedAt`.
   */
  function movedAndReaped(movedAt: number, reapedAt: number) {
    const story = new Story()
    const occurrence = story.slot(1000)
    story.record(occurrence, { scheduledAt: origin + 1000, finishedAt: origin + 9000, token: 2, runs: [moved] })
    story.end({ at: movedAt, occurrence, life: 'a.1', task: 'move' }, 'moved')
    story.reaped({ at: reapedAt, occurrence, life: 'b.1', action: 'retry' })
    story.rows.push(rowOf(occurrence))
    return checkRun(story.run()).filter(({ rule }) => rule === 'rows')
  }

  it('a row of a former owner is a violation, whatever the ledger contains', () => {
    expect(movedAndReaped(2000, 3000)).toEqual([])
    expect(movedAndReaped(3500, 3000)).toMatchObject([
      { message: 'move has a row of attempt 1, written under token 1, which had been dead for 500 ms' },
    ])
  })
})

describe('a run without violations', () => {
  it('slots that run one after the other on several nodes pass', () => {
    const story = new Story()
    for (const at of [1000, 2000, 3000]) story.plainSlot(at, at === 2000 ? 'b.1' : 'a.1')
    expect(checkRun(story.run())).toEqual([])
  })

  it('a stopped and replaced owner that continues with its earlier decisions passes', () => {
    const story = new Story()
    rescue(story)
    story.plainSlot(6000, 'b.1')
    expect(checkRun(story.run())).toEqual([])
  })

  it('a killed owner that is replaced after its deadline passes', () => {
    const story = new Story()
    const killed = story.slot(1000)
    story.record(killed, {
      scheduledAt: origin + 1000,
      finishedAt: origin + 2600,
      state: 'failed_stale',
      runs: [taskRun('lost')],
    })
    story.granted({ at: 1004, occurrence: killed, life: 'a.1' })
    story.start({ at: 1010, occurrence: killed, life: 'a.1' })
    story.driver(1100, { event: 'killed', life: 'a.1' })
    story.driver(1105, { event: 'exited', life: 'a.1', code: null, signal: 'SIGKILL', expected: true })
    story.reaped({ at: 2600, occurrence: killed, life: 'b.1' })
    story.plainSlot(3000, 'b.1')
    expect(checkRun(story.run())).toEqual([])
  })

  it('overlapping occurrences of a job that allows it pass', () => {
    const story = new Story()
    for (const at of [1000, 2000]) {
      const occurrence = story.slot(at, open)
      story.record(occurrence, { scheduledAt: origin + at, finishedAt: origin + at + 1500 }, open)
      story.start({ at: at + 10, occurrence, life: 'a.1', job: open })
      story.end({ at: at + 1490, occurrence, life: 'a.1', job: open })
    }
    expect(checkRun(story.run())).toEqual([])
  })

  it('a start of a pruned occurrence passes', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.history.length = 0
    story.records.delete(occurrence)
    story.heads.push({ name: exclusive.name, pruneFloor: origin + 1000 } as (typeof story.heads)[number])
    expect(checkRun(story.run())).toEqual([])
  })
})

describe('starts', () => {
  it('an attempt that starts twice is a violation', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.start({ at: 1050, occurrence, life: 'b.1' })
    story.end({ at: 1060, occurrence, life: 'b.1' })
    expect(rulesOf(story)).toContain('start-twice')
  })

  it('a start before its instant is a violation', () => {
    const story = new Story()
    const occurrence = story.slot(2000)
    story.record(occurrence, { scheduledAt: origin + 2000, finishedAt: origin + 2100 })
    story.start({ at: 1999, occurrence, life: 'a.1' })
    story.end({ at: 2050, occurrence, life: 'a.1' })
    expect(rulesOf(story)).toEqual(['start-early'])
  })

  it('a start at an instant outside of the schedule is a violation', () => {
    const story = new Story()
    const occurrence = story.slot(1500)
    story.record(occurrence, { scheduledAt: origin + 1500, finishedAt: origin + 1700 })
    story.start({ at: 1510, occurrence, life: 'a.1' })
    story.end({ at: 1600, occurrence, life: 'a.1' })
    expect(rulesOf(story)).toEqual(['start-unknown'])
  })

  it('a slot with another id than its own is a violation', () => {
    const story = new Story()
    const occurrence = occurrenceId(jobId('another'), origin + 1000)
    story.record(occurrence, { scheduledAt: origin + 1000, finishedAt: origin + 1200 })
    story.start({ at: 1010, occurrence, life: 'a.1' })
    story.end({ at: 1100, occurrence, life: 'a.1' })
    expect(rulesOf(story)).toEqual(['start-unknown'])
  })

  it('a start of an occurrence that is not in the ledger is a violation', () => {
    const story = new Story()
    const occurrence = story.slot(1000)
    story.start({ at: 1010, occurrence, life: 'a.1' })
    story.end({ at: 1100, occurrence, life: 'a.1' })
    expect(rulesOf(story)).toContain('start-unknown')
  })

  it('a trigger without a request is a violation', () => {
    const story = new Story()
    const occurrence = story.slot(1234)
    const details = { requestKey: 'mine' }
    story.record(occurrence, { scheduledAt: origin + 1234, finishedAt: origin + 1400, kind: 'trigger', details })
    story.start({ at: 1240, occurrence, life: 'a.1', kind: 'trigger' })
    story.end({ at: 1300, occurrence, life: 'a.1' })
    expect(rulesOf(story)).toEqual(['start-unknown'])
    story.driver(1200, { event: 'asked', request: 'trigger', key: 'mine' })
    expect(rulesOf(story)).toEqual([])
  })

  it('a start of an attempt that is not in the ledger is a violation', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.start({ at: 1040, occurrence, life: 'a.1', attempt: 2 })
    story.end({ at: 1060, occurrence, life: 'a.1', attempt: 2 })
    expect(rulesOf(story)).toEqual(['start-unwritten'])
  })

  it('a token that is higher than that of the ledger is a violation', () => {
    const story = new Story()
    const occurrence = story.slot(1000)
    story.record(occurrence, { scheduledAt: origin + 1000, finishedAt: origin + 1200 })
    story.start({ at: 1010, occurrence, life: 'a.1', token: 2 })
    story.end({ at: 1100, occurrence, life: 'a.1', token: 2 })
    expect(rulesOf(story)).toEqual(['start-unwritten'])
  })

  it('a start under an old token is found when its process was not stopped', () => {
    const story = new Story()
    rescue(story)
    const awake = story.history.filter((line) => line.event !== 'stopped' && line.event !== 'resumed')
    story.history.splice(0, story.history.length, ...awake)
    expect(rulesOf(story)).toContain('start-stale')
  })

  it('a start under an old token is found when its process was stopped only after it had been replaced', () => {
    const story = new Story()
    rescue(story)
    for (const line of story.history) {
      if (line.event === 'stopped') Object.assign(line, { mono: mono(4500), wall: origin + 4500 })
    }
    expect(rulesOf(story)).toContain('start-stale')
  })

  it('a start under an old token is excused when the process recorded a stall', () => {
    const story = new Story()
    rescue(story)
    const awake = story.history.filter((line) => line.event !== 'stopped' && line.event !== 'resumed')
    story.history.splice(0, story.history.length, ...awake)
    for (const line of story.witness) {
      if (line.event === 'start' && line.attempt === 2)
        Object.assign(line, { stall: { from: mono(1050), to: mono(5000) } })
    }
    expect(rulesOf(story)).toEqual([])
  })

  it('an attempt of an old owner that starts after those of the new owner is a violation', () => {
    const story = new Story()
    rescue(story, { lateAttempt: 4 })
    expect(rulesOf(story)).toContain('start-stale')
  })

  it('a start of an ended occurrence is a violation', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.record(occurrence, {
      scheduledAt: origin + 1000,
      finishedAt: origin + 1110,
      runs: [taskRun('succeeded'), { ...taskRun('lost'), task: 'late' }],
    })
    story.start({ at: 1500, occurrence, life: 'a.1', task: 'late' })
    story.end({ at: 1510, occurrence, life: 'a.1', task: 'late' })
    expect(rulesOf(story)).toEqual(['start-stale'])
  })

  it('a start after the shutdown of its node is a violation', () => {
    const story = new Story()
    story.node(900, { event: 'down', life: 'a.1' })
    story.plainSlot(1000, 'a.1')
    expect(rulesOf(story)).toEqual(['start-after-shutdown'])
  })
})

describe('overlap', () => {
  it('handlers of two occurrences at once are violations', () => {
    const story = new Story()
    const first = story.slot(1000)
    story.record(first, { scheduledAt: origin + 1000, finishedAt: origin + 1990 })
    story.start({ at: 1010, occurrence: first, life: 'a.1' })
    story.end({ at: 2050, occurrence: first, life: 'a.1' })
    story.plainSlot(2000, 'b.1')
    expect(rulesOf(story)).toEqual(['overlap'])
  })

  it('a second occurrence that starts while the first one runs in the ledger is a violation', () => {
    const story = new Story()
    const first = story.slot(1000)
    story.record(first, {
      scheduledAt: origin + 1000,
      finishedAt: origin + 2500,
      state: 'failed_stale',
      runs: [taskRun('lost')],
    })
    story.start({ at: 1010, occurrence: first, life: 'a.1' })
    story.driver(1100, { event: 'killed', life: 'a.1' })
    story.driver(1101, { event: 'exited', life: 'a.1', code: null, signal: 'SIGKILL', expected: true })
    story.plainSlot(2000, 'b.1')
    expect(rulesOf(story)).toEqual(['overlap'])
  })

  it('a reaped occurrence that waits for its next start frees its concurrency slot', () => {
    const tell = (isTaken: boolean) => {
      const story = new Story()
      const [first, second] = [story.slot(1000, rated), story.slot(2000, rated)]
      const runs = [taskRun('lost')]
      story.record(first, { scheduledAt: origin + 1000, finishedAt: origin + 3500, token: 2, runs }, rated)
      story.record(second, { scheduledAt: origin + 2000, finishedAt: origin + 2600 }, rated)
      story.start({ at: 1010, occurrence: first, life: 'a.1', job: rated })
      if (isTaken) story.reaped({ at: 1500, occurrence: first, life: 'b.1', action: 'retry' })
      story.start({ at: 2010, occurrence: second, life: 'b.1', job: rated })
      story.end({ at: 2500, occurrence: second, life: 'b.1', job: rated })
      return rulesOf(story).includes('overlap')
    }
    expect(tell(true)).toBe(false)
    expect(tell(false)).toBe(true)
  })

  it('the ledger tells when a reaped occurrence freed its slot if the node that reaped it left no line', () => {
    const tell = (lostAt: number) => {
      const story = new Story()
      const [first, second] = [story.slot(1000, rated), story.slot(2000, rated)]
      const run = taskRun('lost')
      const runs = [{ ...run, attempts: run.attempts.map((attempt) => ({ ...attempt, endedAt: origin + lostAt })) }]
      story.record(first, { scheduledAt: origin + 1000, finishedAt: origin + 3500, token: 2, runs }, rated)
      story.record(second, { scheduledAt: origin + 2000, finishedAt: origin + 2600 }, rated)
      story.start({ at: 1010, occurrence: first, life: 'a.1', job: rated })
      story.start({ at: 2010, occurrence: second, life: 'b.1', job: rated })
      story.end({ at: 2500, occurrence: second, life: 'b.1', job: rated })
      return rulesOf(story).includes('overlap')
    }
    expect(tell(1500)).toBe(false)
    expect(tell(2300)).toBe(true)
  })

  it('an occurrence that was reaped and then displaced does not overlap the next one', () => {
    const story = new Story()
    const first = story.slot(1000)
    const taken = { ...taskRun('lost'), state: 'retrying' as const }
    const about = { scheduledAt: origin + 1000, finishedAt: origin + 2005, state: 'canceled' as const }
    story.record(first, { ...about, runs: [taken] })
    story.granted({ at: 1004, occurrence: first, life: 'a.1' })
    story.start({ at: 1010, occurrence: first, life: 'a.1' })
    story.reaped({ at: 2003, occurrence: first, life: 'b.1', action: 'retry' })
    story.plainSlot(2000, 'b.1')
    story.end({ at: 2050, occurrence: first, life: 'a.1' }, 'aborted')
    expect(rulesOf(story)).toEqual([])
    story.record(first, { ...about, runs: [{ ...taken, ...taskRun('aborted') }] })
    expect(rulesOf(story)).toEqual(['overlap'])
  })

  it('a reaped and displaced occurrence with a completed task does not overlap the next one', () => {
    const story = new Story()
    const first = story.slot(1000)
    const lost = { ...taskRun('lost'), state: 'retrying' as const, task: 'late' }
    const about = { scheduledAt: origin + 1000, finishedAt: origin + 2005, state: 'canceled' as const }
    story.record(first, { ...about, runs: [taskRun('succeeded'), lost] })
    story.granted({ at: 1004, occurrence: first, life: 'a.1' })
    story.start({ at: 1010, occurrence: first, life: 'a.1' })
    story.start({ at: 1011, occurrence: first, life: 'a.1', task: 'late' })
    story.end({ at: 1200, occurrence: first, life: 'a.1' })
    story.reaped({ at: 2003, occurrence: first, life: 'b.1', action: 'retry' })
    story.plainSlot(2000, 'b.1')
    story.end({ at: 2050, occurrence: first, life: 'a.1', task: 'late' }, 'aborted')
    expect(rulesOf(story)).toEqual([])
    story.record(first, { ...about, runs: [taskRun('succeeded'), { ...lost, ...taskRun('aborted'), task: 'late' }] })
    expect(rulesOf(story)).toEqual(['overlap'])
  })

  it('an owner that hands back an occurrence while its handler runs is a violation', () => {
    const story = new Story()
    const occurrence = story.slot(1000)
    story.record(occurrence, {
      scheduledAt: origin + 1000,
      finishedAt: origin + 3000,
      token: 2,
      runs: [taskRun('aborted', 'succeeded')],
    })
    story.start({ at: 1010, occurrence, life: 'a.1' })
    story.settled({ at: 1500, occurrence, life: 'a.1' }, 'release')
    story.start({ at: 2000, occurrence, life: 'b.1', token: 2, attempt: 2 })
    story.end({ at: 2500, occurrence, life: 'a.1' }, 'aborted')
    story.end({ at: 2900, occurrence, life: 'b.1', token: 2, attempt: 2 })
    expect(rulesOf(story)).toEqual(['overlap'])
  })

  it('slots that do not run in the order of their time are violations', () => {
    const story = new Story()
    const early = story.slot(1000)
    story.plainSlot(2000, 'a.1')
    story.record(early, { scheduledAt: origin + 1000, finishedAt: origin + 2900 })
    story.start({ at: 2500, occurrence: early, life: 'a.1' })
    story.end({ at: 2600, occurrence: early, life: 'a.1' })
    expect(rulesOf(story)).toEqual(['order'])
  })
})

describe('answers of the storage', () => {
  it('one occurrence that is created twice is a violation', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.created(1006, 'b.1', occurrence)
    expect(rulesOf(story)).toEqual(['created-twice'])
  })

  it('a token that is given to two processes is a violation', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.granted({ at: 1006, occurrence, life: 'b.1' })
    expect(rulesOf(story)).toEqual(['granted-twice'])
  })

  it('a write under a dead token that is accepted is a violation', () => {
    const story = new Story()
    const occurrence = rescue(story)
    story.settled({ at: 5030, occurrence, life: 'a.1' }, 'progress')
    expect(rulesOf(story)).toEqual(['stale-write'])
  })

  it('an accepted write that was sent before its token died passes', () => {
    const story = new Story()
    const occurrence = rescue(story)
    story.settled({ at: 3001, sentAt: 2999, occurrence, life: 'a.1' }, 'progress')
    expect(rulesOf(story)).toEqual([])
  })

  it('an occurrence that ends twice is a violation', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.reaped({ at: 1600, occurrence, life: 'b.1' })
    expect(rulesOf(story)).toEqual(['ended-twice'])
  })

  it('a claim inside a pause is found, and a claim before or after it passes', () => {
    const story = new Story()
    story.plainSlot(1000, 'a.1')
    story.driver(1500, { event: 'paused', job: exclusive.name })
    story.driver(2500, { event: 'resuming', job: exclusive.name })
    story.plainSlot(3000, 'a.1')
    expect(rulesOf(story)).toEqual([])
    story.plainSlot(2000, 'a.1')
    expect(rulesOf(story)).toContain('claim-in-pause')
  })

  it('a reap before the deadline is a violation', () => {
    const story = new Story()
    const occurrence = story.slot(1000)
    story.record(occurrence, {
      scheduledAt: origin + 1000,
      finishedAt: origin + 1400,
      state: 'failed_stale',
      runs: [taskRun('lost')],
    })
    story.granted({ at: 1004, occurrence, life: 'a.1' })
    story.reaped({ at: 1400, occurrence, life: 'b.1' })
    expect(rulesOf(story)).toEqual(['reaped-early'])
  })

  it('a takeover from a silent node passes, even if that node is back', () => {
    for (const isBack of [false, true]) {
      const story = new Story()
      const occurrence = takenAsDead(story)
      story.heartbeat(1100, 'a.1')
      if (isBack) story.heartbeat(2610, 'a.1')
      story.reaped({ at: 2620, occurrence, life: 'b.1', reason: 'node_lost' })
      expect(rulesOf(story)).toEqual([])
    }
  })

  it('a takeover from a node whose heartbeats arrived in time is a violation', () => {
    const story = new Story()
    const occurrence = takenAsDead(story)
    for (const at of [1100, 1900, 2500]) story.heartbeat(at, 'a.1')
    story.reaped({ at: 2620, occurrence, life: 'b.1', reason: 'node_lost' })
    expect(rulesOf(story)).toEqual(['reaped-early'])
  })

  it('a node that reaps the run of another node as one of its own earlier life is a violation', () => {
    const story = new Story()
    const occurrence = story.slot(1000)
    story.record(occurrence, {
      scheduledAt: origin + 1000,
      finishedAt: origin + 1400,
      state: 'failed_stale',
      runs: [taskRun('lost')],
    })
    story.granted({ at: 1004, occurrence, life: 'a.1' })
    story.reaped({ at: 1400, occurrence, life: 'b.1', reason: 'owner_restarted' })
    expect(rulesOf(story)).toEqual(['reaped-early'])
  })
})

describe('a run whose storage loses acknowledged writes', () => {
  /** Returns a story in which `a.1` and `b.1` received the same token, and the ledger names node `a` as owner. */
  function givenTwice(): { readonly story: Story; readonly occurrence: OccurrenceId } {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    for (const node of ['a', 'b']) story.node(0, { event: 'up', life: `${node}.1`, node })
    return { story, occurrence }
  }
  const lossyRulesOf = (story: Story) => checkLossyRun(story.run()).map(({ rule }) => rule)

  it('an end that was accepted under the token of another owner is a violation', () => {
    const { story, occurrence } = givenTwice()
    expect(lossyRulesOf(story)).toEqual([])
    story.settled({ at: 1500, occurrence, life: 'b.1' }, 'completed')
    expect(lossyRulesOf(story)).toEqual(['stale-write'])
  })

  it('an end that the storage has lost proves nothing', () => {
    const { story, occurrence } = givenTwice()
    story.driver(1400, { event: 'storage', fault: 'lose-writes', ended: false })
    story.driver(1600, { event: 'storage', fault: 'lose-writes', ended: true })
    story.settled({ at: 1500, occurrence, life: 'b.1' }, 'completed')
    expect(lossyRulesOf(story)).toEqual([])
  })
})

describe('takeovers after the faults', () => {
  it('a run of a dead node that is released at its deadline alone is a violation', () => {
    const reapedAt = (at: number, reason: string) => {
      const story = new Story()
      const occurrence = story.slot(1000)
      story.granted({ at: 1005, occurrence, life: 'a.1' })
      story.driver(1200, { event: 'killed', life: 'a.1' })
      story.driver(1201, { event: 'exited', life: 'a.1', code: null, signal: 'SIGKILL', expected: true })
      story.driver(2000, { event: 'phase', phase: 'calm' })
      story.reaped({ at, occurrence, life: 'b.1', reason })
      return checkTakeovers(new RunView(story.run())).map(({ rule }) => rule)
    }
    expect(reapedAt(11_500, 'execution_timeout')).toEqual(['takeover'])
    expect(reapedAt(10_500, 'execution_timeout')).toEqual([])
    expect(reapedAt(11_500, 'node_lost')).toEqual([])
  })
})

describe('the ledger against the witness', () => {
  it('a completed task whose handler did not end is a violation', () => {
    const story = new Story()
    story.plainSlot(1000, 'a.1')
    story.witness.splice(0, story.witness.length, ...story.witness.filter((line) => line.event === 'start'))
    expect(rulesOf(story)).toEqual(['end-missing'])
  })

  it('a completed task whose handler failed is a violation', () => {
    const story = new Story()
    story.plainSlot(1000, 'a.1')
    for (const line of story.witness) if (line.event === 'end') Object.assign(line, { outcome: 'failed' })
    expect(rulesOf(story)).toEqual(['end-missing'])
  })

  it('a task with two attempts that succeeded is a violation', () => {
    const story = new Story()
    const occurrence = story.slot(1000)
    story.record(occurrence, {
      scheduledAt: origin + 1000,
      finishedAt: origin + 1900,
      runs: [taskRun('succeeded', 'succeeded')],
    })
    for (const attempt of [1, 2]) {
      story.start({ at: 1000 + attempt * 100, occurrence, life: 'a.1', attempt })
      story.end({ at: 1050 + attempt * 100, occurrence, life: 'a.1', attempt })
    }
    expect(rulesOf(story)).toEqual(['end-missing'])
  })

  it('a task without a success that counts as completed is a violation', () => {
    const story = new Story()
    const occurrence = story.slot(1000)
    const run = { ...taskRun('lost'), state: 'completed' as const }
    story.record(occurrence, { scheduledAt: origin + 1000, finishedAt: origin + 1900, runs: [run] })
    expect(rulesOf(story)).toEqual(['end-missing'])
  })

  it('an accepted write that the ledger lacks is a violation', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.settled({ at: 1120, occurrence, life: 'a.1', sequence: 2 }, 'progress')
    expect(rulesOf(story)).toEqual(['write-lost'])
  })

  it('an end that became another one is a violation', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.record(occurrence, { scheduledAt: origin + 1000, finishedAt: origin + 1110, state: 'canceled' })
    expect(rulesOf(story)).toEqual(['write-lost'])
  })

  it('an accepted request that the ledger lacks is a violation', () => {
    const story = new Story()
    story.driver(1000, { event: 'accepted', occurrence: story.slot(1000) })
    expect(rulesOf(story)).toEqual(['write-lost'])
  })
})

describe('clocks', () => {
  it('an engine whose time is ahead is a violation', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.granted({ at: 1005, occurrence, life: 'a.1', clockError: 20 })
    expect(rulesOf(story)).toEqual(['clock'])
  })

  it('the time of an engine may differ from that of the storage by the uncertainty of its readings', () => {
    const story = new Story()
    story.clocks = { ...story.clocks, source: 'storage' }
    const occurrence = story.plainSlot(1000, 'a.1')
    story.measurement(900, 'a.1', 100)
    story.granted({ at: 1005, occurrence, life: 'a.1', clockError: 100 })
    expect(rulesOf(story)).toEqual([])
    story.granted({ at: 1006, occurrence, life: 'a.1', clockError: 120 })
    expect(rulesOf(story)).toEqual(['clock'])
  })

  it('an engine that follows the clock of its process instead of the storage is a violation', () => {
    const story = new Story()
    story.clocks = { ...story.clocks, source: 'storage' }
    const occurrence = story.plainSlot(1000, 'a.1')
    story.clock(800, 'a.1', 60_000)
    story.measurement(900, 'a.1', 2)
    story.granted({ at: 1005, occurrence, life: 'a.1', clockError: 60_000 })
    expect(rulesOf(story)).toEqual(['clock'])
  })

  it('if the storage has no clock, an engine follows the clock of its process', () => {
    const story = new Story()
    story.clocks = { ...story.clocks, aheadMs: 60_000, behindMs: 60_000 }
    const occurrence = story.plainSlot(1000, 'a.1')
    story.clock(800, 'b.1', 60_000)
    story.granted({ at: 1006, occurrence, life: 'b.1', token: 2, clockError: 60_000 })
    story.record(occurrence, { scheduledAt: origin + 1000, finishedAt: origin + 1110, token: 2 })
    expect(rulesOf(story)).not.toContain('clock')
    story.granted({ at: 1007, occurrence, life: 'b.1', token: 2, clockError: 59_000 - 10 })
    expect(rulesOf(story)).toContain('clock')
  })

  it('a start is early only if it is early by the clocks of all nodes that received the occurrence', () => {
    const story = new Story()
    story.clocks = { ...story.clocks, aheadMs: 60_000, behindMs: 60_000 }
    const occurrence = story.slot(31_000)
    const about = { scheduledAt: origin + 31_000, finishedAt: origin + 1110 }
    story.record(occurrence, { ...about, createdAt: origin + 31_000 })
    story.start({ at: 1010, occurrence, life: 'a.1', clockError: -5000 })
    story.end({ at: 1100, occurrence, life: 'a.1' })
    story.settled({ at: 1110, occurrence, life: 'a.1' }, 'completed')
    expect(rulesOf(story)).toEqual([])
    story.record(occurrence, { ...about, createdAt: origin + 30_000 })
    expect(rulesOf(story)).toEqual(['start-early'])
  })

  it('a reap is early if the owner had less time than its timeout, whatever the clocks showed', () => {
    const story = new Story()
    story.clocks = { ...story.clocks, source: 'storage' }
    const occurrence = story.slot(1000)
    story.record(occurrence, {
      scheduledAt: origin + 1000,
      finishedAt: origin + 1400,
      state: 'failed_stale',
      runs: [taskRun('lost')],
    })
    story.granted({ at: 1004, occurrence, life: 'a.1' })
    story.reaped({ at: 1400, occurrence, life: 'b.1', clockError: 10_000 })
    expect(rulesOf(story)).toEqual(['reaped-early'])
  })

  it('if clocks disagree, a node may reap an occurrence while its first attempt starts', () => {
    const story = new Story()
    const occurrence = story.slot(1000)
    story.record(occurrence, {
      scheduledAt: origin + 1000,
      finishedAt: origin + 1008,
      state: 'failed_stale',
      runs: [taskRun('lost')],
    })
    story.granted({ at: 1004, occurrence, life: 'a.1' })
    story.reaped({ at: 1008, occurrence, life: 'b.1', clockError: 20_000 })
    story.start({ at: 1010, occurrence, life: 'a.1' })
    story.end({ at: 1020, occurrence, life: 'a.1' }, 'aborted')
    expect(rulesOf(story)).toContain('start-stale')
    story.clocks = { ...story.clocks, aheadMs: 60_000, behindMs: 60_000 }
    expect(rulesOf(story)).not.toContain('start-stale')
  })
})

describe('processes', () => {
  it('a process that ends by itself is a violation', () => {
    const story = new Story()
    story.driver(1000, { event: 'exited', life: 'a.1', code: 1, signal: null, expected: false })
    expect(rulesOf(story)).toEqual(['process'])
  })

  it('a shutdown that ends badly is a violation', () => {
    const story = new Story()
    story.driver(1000, { event: 'exited', life: 'a.1', code: 1, signal: null, expected: true })
    expect(rulesOf(story)).toEqual(['process'])
  })

  it('an engine that fails is a violation', () => {
    const story = new Story()
    story.node(1000, { event: 'engine-failed', life: 'a.1', where: 'claim', message: 'no' })
    expect(rulesOf(story)).toEqual(['engine'])
  })
})
