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

/**
 * Adds a history in which the owner of a slot is stopped, another node reaps the run, and the owner resumes after the
 * reap.
 */
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

describe('the torture test’s check of the rows that handlers write', () => {
  const moved = { attempts: [], state: 'completed', task: 'move', result: 1 } as const
  const rowOf = (occurrence: OccurrenceId, attempt = 1) => ({ occurrence, task: 'move', attempt, token: 1 })

  function told(run: TaskRunRecord, attempts: readonly number[]) {
    const story = new Story()
    const occurrence = story.slot(1000)
    story.record(occurrence, { scheduledAt: origin + 1000, finishedAt: origin + 1100, runs: [run] })
    story.rows.push(...attempts.map((attempt) => rowOf(occurrence, attempt)))
    return checkRun(story.run()).filter(({ rule }) => rule === 'rows')
  }

  it('accepts one row for each completed task', () => {
    expect(told(moved, [1])).toEqual([])
    expect(told({ ...moved, state: 'failed' }, [])).toEqual([])
  })

  it('reports a missing row, a second row, and a row of another attempt or of a task that did not complete', () => {
    expect(told(moved, [])).toHaveLength(1)
    expect(told(moved, [1, 1])).toHaveLength(1)
    expect(told(moved, [2])).toHaveLength(1)
    expect(told({ ...moved, state: 'failed' }, [1])).toHaveLength(1)
    const story = new Story()
    story.rows.push(rowOf(story.slot(1000)))
    expect(rulesOf(story)).toEqual(['rows'])
  })

  /**
   * Returns a handwritten run. Process `a.1` writes a row and completes its task in one transaction at `movedAt`, and
   * `b.1` reaps the occurrence at `reapedAt`.
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

  it('reports a row of an earlier owner, whatever the ledger contains', () => {
    expect(movedAndReaped(2000, 3000)).toEqual([])
    expect(movedAndReaped(3500, 3000)).toMatchObject([
      { message: 'move has a row of attempt 1, written under token 1, which had been dead for 500 ms' },
    ])
  })
})

describe('the torture test’s check of a torture run without violations', () => {
  it('accepts slots that run one after the other on several nodes', () => {
    const story = new Story()
    for (const at of [1000, 2000, 3000]) story.plainSlot(at, at === 2000 ? 'b.1' : 'a.1')
    expect(checkRun(story.run())).toEqual([])
  })

  it('accepts a replaced owner whose stopped process starts one more attempt when it resumes', () => {
    const story = new Story()
    rescue(story)
    story.plainSlot(6000, 'b.1')
    expect(checkRun(story.run())).toEqual([])
  })

  it('accepts a killed owner that is replaced after its deadline', () => {
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

  it('accepts overlapping occurrences of a job with the overlap policy allow', () => {
    const story = new Story()
    for (const at of [1000, 2000]) {
      const occurrence = story.slot(at, open)
      story.record(occurrence, { scheduledAt: origin + at, finishedAt: origin + at + 1500 }, open)
      story.start({ at: at + 10, occurrence, life: 'a.1', job: open })
      story.end({ at: at + 1490, occurrence, life: 'a.1', job: open })
    }
    expect(checkRun(story.run())).toEqual([])
  })

  it('accepts a start whose occurrence was pruned afterwards', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.history.length = 0
    story.records.delete(occurrence)
    story.heads.push({ name: exclusive.name, pruneFloor: origin + 1000 } as (typeof story.heads)[number])
    expect(checkRun(story.run())).toEqual([])
  })
})

describe('the torture test’s check of starts', () => {
  it('reports an attempt that starts twice', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.start({ at: 1050, occurrence, life: 'b.1' })
    story.end({ at: 1060, occurrence, life: 'b.1' })
    expect(rulesOf(story)).toContain('start-twice')
  })

  it('reports a start before its instant', () => {
    const story = new Story()
    const occurrence = story.slot(2000)
    story.record(occurrence, { scheduledAt: origin + 2000, finishedAt: origin + 2100 })
    story.start({ at: 1999, occurrence, life: 'a.1' })
    story.end({ at: 2050, occurrence, life: 'a.1' })
    expect(rulesOf(story)).toEqual(['start-early'])
  })

  it('reports a start at an instant that is not in the schedule', () => {
    const story = new Story()
    const occurrence = story.slot(1500)
    story.record(occurrence, { scheduledAt: origin + 1500, finishedAt: origin + 1700 })
    story.start({ at: 1510, occurrence, life: 'a.1' })
    story.end({ at: 1600, occurrence, life: 'a.1' })
    expect(rulesOf(story)).toEqual(['start-unknown'])
  })

  it('reports a slot that starts under the id of another job', () => {
    const story = new Story()
    const occurrence = occurrenceId(jobId('another'), origin + 1000)
    story.record(occurrence, { scheduledAt: origin + 1000, finishedAt: origin + 1200 })
    story.start({ at: 1010, occurrence, life: 'a.1' })
    story.end({ at: 1100, occurrence, life: 'a.1' })
    expect(rulesOf(story)).toEqual(['start-unknown'])
  })

  it('reports a start of an occurrence that the ledger does not contain', () => {
    const story = new Story()
    const occurrence = story.slot(1000)
    story.start({ at: 1010, occurrence, life: 'a.1' })
    story.end({ at: 1100, occurrence, life: 'a.1' })
    expect(rulesOf(story)).toContain('start-unknown')
  })

  it('reports the start of a run of the kind `trigger` that no process has requested', () => {
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

  it('reports a start of an attempt that the ledger does not contain', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.start({ at: 1040, occurrence, life: 'a.1', attempt: 2 })
    story.end({ at: 1060, occurrence, life: 'a.1', attempt: 2 })
    expect(rulesOf(story)).toEqual(['start-unwritten'])
  })

  it('reports a start with a token higher than the token in the ledger', () => {
    const story = new Story()
    const occurrence = story.slot(1000)
    story.record(occurrence, { scheduledAt: origin + 1000, finishedAt: origin + 1200 })
    story.start({ at: 1010, occurrence, life: 'a.1', token: 2 })
    story.end({ at: 1100, occurrence, life: 'a.1', token: 2 })
    expect(rulesOf(story)).toEqual(['start-unwritten'])
  })

  it('reports a start with an outdated token if its process was not stopped', () => {
    const story = new Story()
    rescue(story)
    const awake = story.history.filter((line) => line.event !== 'stopped' && line.event !== 'resumed')
    story.history.splice(0, story.history.length, ...awake)
    expect(rulesOf(story)).toContain('start-stale')
  })

  it('reports a start with an outdated token if its owner had been replaced before its process was stopped', () => {
    const story = new Story()
    rescue(story)
    for (const line of story.history) {
      if (line.event === 'stopped') Object.assign(line, { mono: mono(4500), wall: origin + 4500 })
    }
    expect(rulesOf(story)).toContain('start-stale')
  })

  it('accepts a start with an outdated token if the process recorded that it stood still', () => {
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

  it('reports an attempt of an old owner that starts after attempts of the new owner', () => {
    const story = new Story()
    rescue(story, { lateAttempt: 4 })
    expect(rulesOf(story)).toContain('start-stale')
  })

  it('reports a start of an occurrence that has ended', () => {
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

  it('reports a start after the shutdown of its node', () => {
    const story = new Story()
    story.node(900, { event: 'down', life: 'a.1' })
    story.plainSlot(1000, 'a.1')
    expect(rulesOf(story)).toEqual(['start-after-shutdown'])
  })
})

describe('the torture test’s check of overlaps', () => {
  it('reports handlers of two occurrences that run at the same time', () => {
    const story = new Story()
    const first = story.slot(1000)
    story.record(first, { scheduledAt: origin + 1000, finishedAt: origin + 1990 })
    story.start({ at: 1010, occurrence: first, life: 'a.1' })
    story.end({ at: 2050, occurrence: first, life: 'a.1' })
    story.plainSlot(2000, 'b.1')
    expect(rulesOf(story)).toEqual(['overlap'])
  })

  it('reports an occurrence that starts while the ledger says that another occurrence of the job runs', () => {
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

  it('accepts a start after a reap, because a reaped occurrence frees its place', () => {
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

  it('takes the time of a reap from the ledger if the history does not contain the reap', () => {
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

  it('accepts a start of an occurrence after an earlier occurrence was reaped and then displaced', () => {
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

  it('accepts a start of an occurrence after an earlier occurrence with a completed task was reaped and displaced', () => {
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

  it('reports an owner that releases an occurrence while the handler of the occurrence runs', () => {
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

  it('reports slots that do not run in the order of their instants', () => {
    const story = new Story()
    const early = story.slot(1000)
    story.plainSlot(2000, 'a.1')
    story.record(early, { scheduledAt: origin + 1000, finishedAt: origin + 2900 })
    story.start({ at: 2500, occurrence: early, life: 'a.1' })
    story.end({ at: 2600, occurrence: early, life: 'a.1' })
    expect(rulesOf(story)).toEqual(['order'])
  })
})

describe('the torture test’s check of the storage’s answers', () => {
  it('reports an occurrence that is created twice', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.created(1006, 'b.1', occurrence)
    expect(rulesOf(story)).toEqual(['created-twice'])
  })

  it('reports a token that is given to two processes', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.granted({ at: 1006, occurrence, life: 'b.1' })
    expect(rulesOf(story)).toEqual(['granted-twice'])
  })

  it('reports an accepted write with an outdated token', () => {
    const story = new Story()
    const occurrence = rescue(story)
    story.settled({ at: 5030, occurrence, life: 'a.1' }, 'progress')
    expect(rulesOf(story)).toEqual(['stale-write'])
  })

  it('accepts a write that was sent before its token became outdated', () => {
    const story = new Story()
    const occurrence = rescue(story)
    story.settled({ at: 3001, sentAt: 2999, occurrence, life: 'a.1' }, 'progress')
    expect(rulesOf(story)).toEqual([])
  })

  it('reports an occurrence that ends twice', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.reaped({ at: 1600, occurrence, life: 'b.1' })
    expect(rulesOf(story)).toEqual(['ended-twice'])
  })

  it('reports a claim during a pause, and accepts a claim before or after the pause', () => {
    const story = new Story()
    story.plainSlot(1000, 'a.1')
    story.driver(1500, { event: 'paused', job: exclusive.name })
    story.driver(2500, { event: 'resuming', job: exclusive.name })
    story.plainSlot(3000, 'a.1')
    expect(rulesOf(story)).toEqual([])
    story.plainSlot(2000, 'a.1')
    expect(rulesOf(story)).toContain('claim-in-pause')
  })

  it('reports a reap before the deadline', () => {
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

  it('accepts a takeover from a node whose heartbeats were missing, even if that node has returned', () => {
    for (const isBack of [false, true]) {
      const story = new Story()
      const occurrence = takenAsDead(story)
      story.heartbeat(1100, 'a.1')
      if (isBack) story.heartbeat(2610, 'a.1')
      story.reaped({ at: 2620, occurrence, life: 'b.1', reason: 'node_lost' })
      expect(rulesOf(story)).toEqual([])
    }
  })

  it('reports a takeover from a node whose heartbeats arrived in time', () => {
    const story = new Story()
    const occurrence = takenAsDead(story)
    for (const at of [1100, 1900, 2500]) story.heartbeat(at, 'a.1')
    story.reaped({ at: 2620, occurrence, life: 'b.1', reason: 'node_lost' })
    expect(rulesOf(story)).toEqual(['reaped-early'])
  })

  it('reports a node that reaps another node’s run as if it were a run of the node’s own earlier incarnation', () => {
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

describe('the torture test’s check of a storage that loses acknowledged writes', () => {
  /**
   * Returns a handwritten run in which processes `a.1` and `b.1` received the same token. The ledger names node `a` as
   * owner.
   */
  function givenTwice(): { readonly story: Story; readonly occurrence: OccurrenceId } {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    for (const node of ['a', 'b']) story.node(0, { event: 'up', life: `${node}.1`, node })
    return { story, occurrence }
  }
  const lossyRulesOf = (story: Story) => checkLossyRun(story.run()).map(({ rule }) => rule)

  it('reports an end that was accepted with the token of another owner', () => {
    const { story, occurrence } = givenTwice()
    expect(lossyRulesOf(story)).toEqual([])
    story.settled({ at: 1500, occurrence, life: 'b.1' }, 'completed')
    expect(lossyRulesOf(story)).toEqual(['stale-write'])
  })

  it('accepts that the end of an occurrence is missing in the ledger if the storage has lost this end', () => {
    const { story, occurrence } = givenTwice()
    story.driver(1400, { event: 'storage', fault: 'lose-writes', ended: false })
    story.driver(1600, { event: 'storage', fault: 'lose-writes', ended: true })
    story.settled({ at: 1500, occurrence, life: 'b.1' }, 'completed')
    expect(lossyRulesOf(story)).toEqual([])
  })
})

describe('the torture test’s check of takeovers after the faults', () => {
  it('reports a dead node’s run that other nodes reap only at the deadline of the run', () => {
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

describe('the torture test’s comparison of the ledger with the witness file, in which handlers record their starts and ends', () => {
  it('reports a completed task whose handler did not end', () => {
    const story = new Story()
    story.plainSlot(1000, 'a.1')
    story.witness.splice(0, story.witness.length, ...story.witness.filter((line) => line.event === 'start'))
    expect(rulesOf(story)).toEqual(['end-missing'])
  })

  it('reports a completed task whose handler failed', () => {
    const story = new Story()
    story.plainSlot(1000, 'a.1')
    for (const line of story.witness) if (line.event === 'end') Object.assign(line, { outcome: 'failed' })
    expect(rulesOf(story)).toEqual(['end-missing'])
  })

  it('reports a task of which two attempts succeeded', () => {
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

  it('reports a completed task without a successful attempt', () => {
    const story = new Story()
    const occurrence = story.slot(1000)
    const run = { ...taskRun('lost'), state: 'completed' as const }
    story.record(occurrence, { scheduledAt: origin + 1000, finishedAt: origin + 1900, runs: [run] })
    expect(rulesOf(story)).toEqual(['end-missing'])
  })

  it('reports an accepted write that the ledger does not contain', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.settled({ at: 1120, occurrence, life: 'a.1', sequence: 2 }, 'progress')
    expect(rulesOf(story)).toEqual(['write-lost'])
  })

  it('reports an occurrence whose final state in the ledger differs from its acknowledged end', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.record(occurrence, { scheduledAt: origin + 1000, finishedAt: origin + 1110, state: 'canceled' })
    expect(rulesOf(story)).toEqual(['write-lost'])
  })

  it('reports a request that the storage accepted and the ledger does not contain', () => {
    const story = new Story()
    story.driver(1000, { event: 'accepted', occurrence: story.slot(1000) })
    expect(rulesOf(story)).toEqual(['write-lost'])
  })
})

describe('the torture test’s check of clocks', () => {
  it('reports an engine whose time is ahead of the true time', () => {
    const story = new Story()
    const occurrence = story.plainSlot(1000, 'a.1')
    story.granted({ at: 1005, occurrence, life: 'a.1', clockError: 20 })
    expect(rulesOf(story)).toEqual(['clock'])
  })

  it('accepts an engine time that differs from the storage’s clock by no more than the uncertainty of the readings', () => {
    const story = new Story()
    story.clocks = { ...story.clocks, source: 'storage' }
    const occurrence = story.plainSlot(1000, 'a.1')
    story.measurement(900, 'a.1', 100)
    story.granted({ at: 1005, occurrence, life: 'a.1', clockError: 100 })
    expect(rulesOf(story)).toEqual([])
    story.granted({ at: 1006, occurrence, life: 'a.1', clockError: 120 })
    expect(rulesOf(story)).toEqual(['clock'])
  })

  it('reports an engine that follows the clock of its process although the storage has a clock', () => {
    const story = new Story()
    story.clocks = { ...story.clocks, source: 'storage' }
    const occurrence = story.plainSlot(1000, 'a.1')
    story.clock(800, 'a.1', 60_000)
    story.measurement(900, 'a.1', 2)
    story.granted({ at: 1005, occurrence, life: 'a.1', clockError: 60_000 })
    expect(rulesOf(story)).toEqual(['clock'])
  })

  it('accepts an engine that follows the clock of its process if the storage has no clock', () => {
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

  it('reports an early start only if it is early by the clocks of all nodes that received the occurrence', () => {
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

  it('reports an early reap if the owner had less time than its timeout, whatever the clocks showed', () => {
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

  it('accepts an attempt that starts just after the reap of its occurrence if the two nodes’ clocks differ', () => {
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

describe('the torture test’s check of processes', () => {
  it('reports a process that ended although the torture test did not end it', () => {
    const story = new Story()
    story.driver(1000, { event: 'exited', life: 'a.1', code: 1, signal: null, expected: false })
    expect(rulesOf(story)).toEqual(['process'])
  })

  it('reports a shutdown with an exit code other than 0', () => {
    const story = new Story()
    story.driver(1000, { event: 'exited', life: 'a.1', code: 1, signal: null, expected: true })
    expect(rulesOf(story)).toEqual(['process'])
  })

  it('reports an engine that fails', () => {
    const story = new Story()
    story.node(1000, { event: 'engine-failed', life: 'a.1', where: 'claim', message: 'no' })
    expect(rulesOf(story)).toEqual(['engine'])
  })
})
