import { jobId, occurrenceId } from '@jobistemer/core'
import type { JobRecord, TaskRunRecord } from '@jobistemer/core/storage'
import { expect, it } from 'vitest'
import { HistoryChecker } from '../src/checker/history-checker.ts'
import type { Rule } from '../src/checker/violation.ts'
import { History, type HistoryEvent } from '../src/history/history.ts'
import { every } from '../src/workload/every.ts'

// These tests check one history without a violation and, for each rule, one history that breaks this rule.

const startMs = Date.UTC(2026, 0, 1)
const id = jobId('job')

function at(seconds: number): number {
  return startMs + seconds * 1000
}

function slotId(seconds: number) {
  return occurrenceId(id, at(seconds))
}

function head(changes: Partial<JobRecord> = {}): JobRecord {
  return {
    id,
    name: 'job',
    owner: null,
    version: 1,
    fingerprint: 'first',
    lineage: [],
    definition: { defaults: {}, settings: { overlapPolicy: 'skip' }, tasks: [] },
    handlerKey: 'job',
    overlap: { policy: 'skip', maxQueued: 1000 },
    timeline: [{ after: null, until: null, schedule: every(10_000).toJSON() }],
    watermark: startMs,
    nextAt: at(10),
    pruneFloor: null,
    paused: null,
    cancelsBelow: null,
    createdAt: startMs,
    changedAt: startMs,
    deletedAt: null,
    ...changes,
  }
}

function runs(attempts: number, state: 'running' | 'succeeded' = 'running'): TaskRunRecord[] {
  const endedAt = state === 'running' ? null : startMs
  const list = Array.from({ length: attempts }, (_, index) => ({
    number: index + 1,
    state,
    startedAt: startMs,
    endedAt,
  }))
  return [{ task: 'work', state: state === 'running' ? 'running' : 'completed', attempts: list }]
}

/** Builds a history event by event. The member `seconds` is the time of the next event. */
class Script {
  seconds = 0
  readonly #history = new History(() => this.seconds * 1000)

  add(life: string | null, event: Parameters<History['add']>[1]): this {
    this.#history.add(life, event)
    return this
  }

  wait(seconds: number): this {
    this.seconds += seconds
    return this
  }

  saved(change: 'create' | 'replace' | 'pause' | 'resume' | 'delete', record: JobRecord, starting = false): this {
    return this.add('a.1', { kind: 'job.saved', change, head: record, canceled: [], starting, setBackTo: null })
  }

  /** Adds a realign of the job: a new version of the same definition. */
  setBack(record: JobRecord): this {
    const event = { kind: 'job.saved', change: 'replace', canceled: [], starting: false } as const
    return this.add('a.1', { ...event, head: record, setBackTo: record.watermark })
  }

  /** Adds the creation of a slot that starts at once. */
  created(life: string, seconds: number, options: { now?: number; version?: number; token?: number } = {}): this {
    return this.add(life, {
      kind: 'created',
      item: {
        kind: 'slot',
        id: slotId(seconds),
        jobId: id,
        scheduledAt: at(seconds),
        jobVersion: options.version ?? 1,
        nextAt: at(seconds + 10),
        executionTimeoutMs: 5000,
        details: {},
        runs: runs(1),
      },
      state: 'running',
      reason: null,
      token: options.token ?? 1,
      now: at(options.now ?? seconds),
      displaced: [],
    })
  }

  claimed(life: string, seconds: number, token: number, options: { now?: number } = {}): this {
    return this.add(life, {
      kind: 'claimed',
      id: slotId(seconds),
      jobId: id,
      token,
      jobVersion: 1,
      dueAt: at(seconds),
      executionTimeoutMs: 5000,
      runs: runs(1),
      now: at(options.now ?? seconds),
    })
  }

  settled(
    life: string,
    seconds: number,
    said: { token?: number; sequence?: number; change?: 'progress' | 'finish' | 'release'; attempts?: TaskRunRecord[] },
  ): this {
    const change = said.change ?? 'finish'
    return this.add(life, {
      kind: 'settled',
      id: slotId(seconds),
      jobId: id,
      token: said.token ?? 1,
      sequence: said.sequence ?? 1,
      change,
      state: change === 'finish' ? 'completed' : null,
      runs: said.attempts ?? runs(1, 'succeeded'),
      now: at(seconds),
    })
  }

  reaped(life: string, seconds: number, options: { now: number; reason?: string }): this {
    const { now, reason = 'execution_timeout' } = options
    const event = { kind: 'reaped', id: slotId(seconds), jobId: id, token: 1, action: 'retry', reason } as const
    return this.add(life, { ...event, runs: runs(1), now: at(now) })
  }

  started(
    life: string,
    seconds: number,
    options: { attempt?: number; token?: number; version?: number; request?: string } = {},
  ): this {
    return this.add(life, {
      kind: 'handler.started',
      id: slotId(seconds),
      jobId: id,
      job: 'job',
      origin: 'slot',
      scheduledAt: at(seconds),
      task: 'work',
      attempt: options.attempt ?? 1,
      token: options.token ?? 1,
      jobVersion: options.version ?? 1,
      request: options.request ?? null,
    })
  }

  told(life: string, seconds: number, reason: string): this {
    return this.add(life, { kind: 'handler.told', id: slotId(seconds), task: 'work', attempt: 1, token: 1, reason })
  }

  ended(life: string, seconds: number, how: 'succeeded' | 'failed' | 'aborted' = 'succeeded'): this {
    return this.add(life, {
      kind: 'handler.ended',
      id: slotId(seconds),
      task: 'work',
      attempt: 1,
      token: 1,
      how,
    })
  }

  /** Adds the creation, start, end and settle of a slot. */
  ran(life: string, seconds: number): this {
    return this.created(life, seconds).started(life, seconds).ended(life, seconds).settled(life, seconds, {})
  }

  get events(): readonly HistoryEvent[] {
    return this.#history.events
  }
}

function script(): Script {
  return new Script().saved('create', head())
}

/** Returns the head of a job whose version sets `onInterrupted`. */
function headWith(onInterrupted: 'fail' | 'retry', changes: Partial<JobRecord> = {}): JobRecord {
  const settings = { overlapPolicy: 'skip', onInterrupted }
  return head({ definition: { defaults: {}, settings, tasks: [] }, ...changes })
}

/**
 * Returns a history in which a handler starts at 10 s, `interrupt` interrupts the handler, and another node calls the
 * handler again.
 */
function interrupted(onInterrupted: 'fail' | 'retry', interrupt: (script: Script) => Script): Script {
  const begun = new Script().saved('create', headWith(onInterrupted)).created('a.1', 10).started('a.1', 10)
  return interrupt(begun)
    .claimed('b.1', 10, 2, { now: 41 })
    .settled('b.1', 10, { token: 2, change: 'progress', attempts: runs(2) })
    .started('b.1', 10, { attempt: 2, token: 2 })
}

const interruptions: readonly (readonly [string, (script: Script) => Script])[] = [
  ['dies', (one) => one.add('a.1', { kind: 'node.crashed', where: 'at rest' }).wait(30).reaped('b.1', 10, { now: 40 })],
  ['is cut off', (one) => one.wait(30).reaped('b.1', 10, { now: 40 })],
  [
    'shuts down, and the handler stops',
    (one) => one.told('a.1', 10, 'shutdown').ended('a.1', 10, 'aborted').settled('a.1', 10, { change: 'release' }),
  ],
  [
    'goes down without the handler',
    (one) => one.told('a.1', 10, 'shutdown').add('a.1', { kind: 'node.down' }).wait(30).reaped('b.1', 10, { now: 40 }),
  ],
]

function rulesBrokenBy({ events }: Script): Rule[] {
  const checker = new HistoryChecker()
  checker.follow(events)
  return [...new Set(checker.violations.map(({ rule }) => rule))]
}

it('the history checker accepts a repeated update that cancels only the superseded slots that the first update has not canceled', () => {
  const step = head({ version: 2, cancelsBelow: 2 })
  const history = script()
    .saved('replace', step)
    .saved('replace', step)
    .saved('replace', head({ version: 2 }))
  expect(rulesBrokenBy(history)).toEqual([])
})

it('the history checker reports no violation for a history that keeps every rule', () => {
  const kept = script()
    .ran('a.1', 10)
    .saved('pause', head({ watermark: at(10), nextAt: at(20), paused: { at: at(11), reason: null, actor: null } }))
    .saved('resume', head({ watermark: at(10), nextAt: at(20) }))
    .created('a.1', 20)
    .started('a.1', 20)
    .wait(20)
    .reaped('b.1', 20, { now: 40 })
    .claimed('b.1', 20, 2, { now: 41 })
    .settled('b.1', 20, { token: 2, change: 'progress', attempts: runs(2) })
    .started('b.1', 20, { attempt: 2, token: 2 })
    .settled('b.1', 20, { token: 2, sequence: 2, attempts: runs(2, 'succeeded') })
  expect(rulesBrokenBy(kept)).toEqual([])
})

it('the history checker accepts a second run of one request after the record of the first run was pruned', () => {
  const removed = script()
    .created('a.1', 10)
    .started('a.1', 10, { request: 'once' })
    .ended('a.1', 10)
    .settled('a.1', 10, {})
    .add('a.1', { kind: 'pruned', jobId: id, before: at(15), removed: 1 })
    .created('b.1', 20)
    .started('b.1', 20, { request: 'once' })
  expect(rulesBrokenBy(removed)).not.toContain('request')
})

// Seed 610034 found this case: a node with a slow clock stores a deleted job again, while a node with a fast clock prunes its
// tombstone.
it('the history checker accepts that a job, created again, skips slots up to its pruned tombstone’s watermark', () => {
  const anew = (nextAt: number) =>
    script()
      .saved('delete', head({ watermark: at(40), nextAt: null, deletedAt: at(45) }))
      .add('b.1', { kind: 'pruned', jobId: null, before: at(60), removed: 0 })
      .saved('create', head({ watermark: at(10), nextAt: at(nextAt), createdAt: at(10) }))
      .created('b.1', 50)
  expect(rulesBrokenBy(anew(50))).not.toContain('off series')
  expect(rulesBrokenBy(anew(20))).toContain('off series')
})

function ranAhead(): Script {
  return script()
    .ran('a.1', 10)
    .ran('a.1', 20)
    .setBack(head({ version: 2, watermark: at(5), nextAt: at(10) }))
}

function seen(seconds: number): Parameters<History['add']>[1] {
  return { kind: 'head', jobId: id, watermark: at(seconds), nextAt: at(seconds + 10), pruneFloor: null }
}

it('the history checker accepts that, after a realign, a job skips the slots that have already run ahead of time', () => {
  const passed = ranAhead().add('b.1', seen(10)).add('b.1', seen(20)).created('b.1', 30, { version: 2 })
  expect(rulesBrokenBy(passed)).toEqual([])
})

const broken: readonly (readonly [Rule, string, () => Script])[] = [
  ['created twice', 'two nodes create one slot', () => script().ran('a.1', 10).created('b.1', 10)],
  ['off series', 'a slot is left out', () => script().created('a.1', 20)],
  [
    'watermark back',
    'a head goes back',
    () =>
      script()
        .ran('a.1', 10)
        .add('b.1', { kind: 'head', jobId: id, watermark: startMs, nextAt: at(10), pruneFloor: null }),
  ],
  [
    'watermark back',
    'a head goes back once more after it was set back',
    () =>
      ranAhead()
        .add('b.1', seen(10))
        .add('b.1', { kind: 'head', jobId: id, watermark: at(5), nextAt: at(10), pruneFloor: null }),
  ],
  [
    'watermark back',
    'a set-back moves a watermark ahead',
    () => script().setBack(head({ version: 2, watermark: at(5), nextAt: at(10) })),
  ],
  [
    'off series',
    'a set-back leaves a slot out',
    () => ranAhead().setBack(head({ version: 3, watermark: at(1), nextAt: at(20) })),
  ],
  ['created twice', 'a slot that ran ahead runs again', () => ranAhead().created('b.1', 10, { version: 2 })],
  ['hole', 'a slot without a record is passed after a set-back', () => ranAhead().add('b.1', seen(30))],
  [
    'hole',
    'a run for several slots vanishes behind the record of one',
    () => {
      const run = recovery({ expectedWatermark: at(5), until: 20, slots: [20], version: 2 })
      const span = { from: at(10), to: at(20), count: 2 }
      return ranAhead().add('b.1', { ...run, entries: run.entries.map((one) => ({ ...one, details: { span } })) })
    },
  ],
  [
    'hole',
    'a head moves past an undecided slot',
    () => script().add('b.1', { kind: 'head', jobId: id, watermark: at(10), nextAt: at(20), pruneFloor: null }),
  ],
  [
    'recovery',
    'a window is recovered that was recovered before',
    () =>
      script()
        .ran('a.1', 10)
        .add('b.1', recovery({ expectedWatermark: startMs, until: 20, slots: [20] })),
  ],
  ['hole', 'a recovery leaves a slot out', () => script().add('a.1', recovery({ until: 20, slots: [20] }))],
  ['overlap', 'two occurrences run at once', () => script().created('a.1', 10).created('b.1', 20)],
  [
    'overlap',
    'a handler starts while another one still runs',
    () => script().created('a.1', 10).started('a.1', 10).settled('a.1', 10, {}).created('b.1', 20).started('b.1', 20),
  ],
  ['token', 'a token is given out twice', () => script().created('a.1', 10).claimed('b.1', 10, 1)],
  [
    'stale write',
    'a former owner is listened to',
    () =>
      script().created('a.1', 10).wait(20).reaped('b.1', 10, { now: 40 }).settled('a.1', 10, { change: 'progress' }),
  ],
  ['ended twice', 'it runs again after its end', () => script().ran('a.1', 10).claimed('b.1', 10, 2, { now: 11 })],
  [
    'reaped early',
    'it is taken before its deadline',
    () => script().created('a.1', 10).wait(1).reaped('b.1', 10, { now: 11 }),
  ],
  [
    'reaped early',
    'it is taken by another node as its own earlier life',
    () => script().created('a.1', 10).reaped('b.1', 10, { now: 60, reason: 'owner_restarted' }),
  ],
  ['early start', 'a slot starts before its time', () => script().created('a.1', 10, { now: 9 })],
  [
    'pause',
    'a slot starts inside a pause',
    () =>
      script()
        .saved('pause', head({ paused: { at: at(1), reason: null, actor: null } }))
        .created('a.1', 10),
  ],
  [
    'version',
    'a slot is created under a version that was replaced',
    () =>
      script()
        .saved('replace', head({ version: 2, fingerprint: 'second' }))
        .created('a.1', 10),
  ],
  [
    'version',
    'a version comes twice that has left nothing to cancel',
    () =>
      script()
        .saved('replace', head({ version: 2 }))
        .saved('replace', head({ version: 2 })),
  ],
  [
    'version',
    'a handler runs by an older version',
    () =>
      script()
        .saved('replace', head({ version: 2, fingerprint: 'second' }))
        .created('a.1', 10, { version: 2 })
        .started('a.1', 10, { version: 1 }),
  ],
  ['started twice', 'an attempt starts twice', () => script().created('a.1', 10).started('a.1', 10).started('a.1', 10)],
  ['unfounded start', 'a node starts what another one has', () => script().created('a.1', 10).started('b.1', 10)],
  [
    'unfounded start',
    'an attempt starts that is not written',
    () => script().created('a.1', 10).started('a.1', 10, { attempt: 2 }),
  ],
  [
    'unfounded start',
    'a node starts something after its shutdown',
    () => script().created('a.1', 10).add('a.1', { kind: 'node.down' }).started('a.1', 10),
  ],
  [
    'request',
    'a request runs twice, under two ids',
    () =>
      script()
        .created('a.1', 10)
        .started('a.1', 10, { request: 'once' })
        .ended('a.1', 10)
        .settled('a.1', 10, {})
        .created('b.1', 20)
        .started('b.1', 20, { request: 'once' }),
  ],
  [
    'request',
    'a request is answered with an occurrence that no call created',
    () => script().add('a.1', { kind: 'request.answered', request: 'once', jobId: id, id: slotId(10) }),
  ],
  [
    'attempts',
    'a stored attempt is missing from a later record',
    () =>
      script()
        .created('a.1', 10)
        .settled('a.1', 10, { change: 'progress', attempts: runs(2) })
        .settled('a.1', 10, { sequence: 2 }),
  ],
  [
    'shutdown',
    'a node calls the storage after its shutdown',
    () => script().add('a.1', { kind: 'node.down' }).add('a.1', { kind: 'late call', operation: 'claim' }),
  ],
  [
    'failure',
    'an engine fails',
    () => script().add('a.1', { kind: 'failure', where: 'engine: claim', message: 'TypeError' }),
  ],
]

it.each(interruptions)(
  'the history checker reports a handler that is called again with onInterrupted fail after its node %s',
  (_how, interrupt) => {
    expect(rulesBrokenBy(interrupted('fail', interrupt))).toEqual(['interrupted'])
    expect(rulesBrokenBy(interrupted('retry', interrupt))).toEqual([])
  },
)

it('the history checker does not count a handler as interrupted if the handler completes after an abort or fails by itself', () => {
  for (const how of ['succeeded', 'failed'] as const) {
    const told = (one: Script) => (how === 'failed' ? one : one.told('a.1', 10, 'shutdown'))
    const released = (one: Script) => told(one).ended('a.1', 10, how).settled('a.1', 10, { change: 'release' })
    expect(rulesBrokenBy(interrupted('fail', released))).toEqual([])
  }
})

it('the history checker judges an occurrence by the onInterrupted of the version under which the occurrence was created', () => {
  const [, dies] = interruptions[0] as (typeof interruptions)[number]
  for (const [before, after, rules] of [
    ['fail', 'retry', ['interrupted']],
    ['retry', 'fail', []],
  ] as const) {
    const updated = headWith(after, { version: 2, fingerprint: 'second', watermark: at(10), nextAt: at(20) })
    const history = interrupted(before, (one) => dies(one.saved('replace', updated)))
    expect(rulesBrokenBy(history)).toEqual(rules)
  }
})

it.each(broken)('the history checker reports a violation of the rule `%s`: %s', (rule, _what, make) => {
  expect(rulesBrokenBy(make())).toContain(rule)
})

it('the history checker accepts that a recovery covers slots that were canceled while the recovering node was frozen', () => {
  const exclusion = { kind: 'exclusion', id: slotId(20), jobId: id, scheduledAt: at(20), jobVersion: 1, reason: 'user' }
  const canceled = { state: 'canceled', reason: 'user', token: 0, now: at(10), displaced: [] } as const
  const { entries, ...whole } = recovery({ until: 40, slots: [40] })
  const compressed = entries.map((entry) => ({ ...entry, details: { span: { from: at(10), to: at(40), count: 4 } } }))
  const recovered = { ...whole, entries: compressed }
  const standing = (life: string) =>
    script()
      .wait(8)
      .add(life, { kind: 'node.frozen', forMs: 38_000, where: 'at rest' })
      .wait(2)
      .add('b.1', { kind: 'created', item: exclusion as never, ...canceled })
      .wait(36)
      .add(life, { kind: 'node.thawed' })
      .wait(1)
      .add('a.1', recovered)
  expect(rulesBrokenBy(standing('a.1'))).toEqual([])
  expect(rulesBrokenBy(standing('c.1'))).toEqual(['recovery'])
})

function recovery(options: { expectedWatermark?: number; until: number; slots: readonly number[]; version?: number }) {
  const { expectedWatermark = startMs, until, slots } = options
  return {
    kind: 'recovered',
    jobId: id,
    jobVersion: options.version ?? 1,
    expectedWatermark,
    watermark: at(until),
    nextAt: at(until + 10),
    entries: slots.map((seconds) => {
      const slot = { id: slotId(seconds), scheduledAt: at(seconds) }
      return { kind: 'run', ...slot, executionTimeoutMs: 5000, details: {} } as const
    }),
    now: at(until),
  } as const
}
