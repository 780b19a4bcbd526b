import { jobId, occurrenceId } from '@jobistemer/core'
import { expect, it } from 'vitest'
import { DeathModel } from '../src/checker/check-deaths.ts'
import { HistoryChecker } from '../src/checker/history-checker.ts'
import { IsolationModel } from '../src/checker/check-isolation.ts'
import { LatenessModel } from '../src/checker/check-lateness.ts'
import { Quiet } from '../src/checker/quiet.ts'
import { History, type HistoryEvent } from '../src/history/history.ts'

// Tests of the rules about nodes: handwritten histories with a heartbeat each second and a `deadAfter` of 5 s.

type Told = Parameters<History['add']>[1]

class Script {
  #mono = 0
  readonly #history = new History(() => this.#mono)

  constructor() {
    for (const life of ['a.1', 'b.1']) {
      this.at(0, life, { kind: 'node.starting', node: life, build: 0, heartbeatMs: 1000, deadAfterMs: 5000 })
      this.heard(0, life, 1).at(0, life, { kind: 'node.up' })
    }
  }

  get events(): readonly HistoryEvent[] {
    return this.#history.events
  }

  at(seconds: number, life: string | null, event: Told): this {
    this.#mono = seconds * 1000
    this.#history.add(life, event)
    return this
  }

  heard(seconds: number, life: string, counter: number): this {
    return this.at(seconds, life, {
      kind: 'heartbeat',
      incarnation: life,
      counter,
      callEndsAt: null,
      leaving: false,
      ended: false,
    })
  }

  /** Records that `b.1` declares `a.1` dead after `silentForMs` without a heartbeat of `a.1`. */
  lost(seconds: number, silentForMs = 6000): this {
    return this.at(seconds, 'b.1', { kind: 'peer.lost', incarnation: 'a.1', silentForMs })
  }

  rulesOf(model: { follow(event: HistoryEvent, index: number): void; readonly violations: readonly unknown[] }) {
    for (const [index, event] of this.events.entries()) model.follow(event, index)
    return model.violations.map((violation) => (violation as { rule: string }).rule)
  }
}

it('the simulator reports a false death if a peer declares a node dead because of a storage outage', () => {
  const away = new Script().at(1, null, { kind: 'storage.away', hangs: false })
  away.at(2, 'a.1', { kind: 'fault', fault: 'away', operation: 'heartbeat' }).at(9, null, { kind: 'storage.back' })
  expect(away.lost(9.5).rulesOf(new DeathModel())).toEqual(['false death'])
})

it.each<[string, (script: Script) => Script]>([
  ['died', (script) => script.at(1, 'a.1', { kind: 'node.crashed', where: 'here' })],
  ['shuts down', (script) => script.at(1, 'a.1', { kind: 'node.stopping' })],
  ['is frozen', (script) => script.at(1, 'a.1', { kind: 'node.frozen', forMs: 9000, where: 'here' })],
  ['is cut off', (script) => script.at(1, 'a.1', { kind: 'node.cut-off', calls: 'heartbeats', hangs: false })],
  ['lost a heartbeat', (script) => script.at(1, 'a.1', { kind: 'fault', fault: 'rejected', operation: 'heartbeat' })],
])('the simulator accepts that peers declare a node dead that %s', (_, trouble) => {
  expect(trouble(new Script()).lost(8).rulesOf(new DeathModel())).toEqual([])
})

it('the simulator accepts that a dead node without further heartbeats is declared dead a second time', () => {
  const lost = () =>
    new Script().at(1, 'a.1', { kind: 'fault', fault: 'rejected', operation: 'heartbeat' }).lost(8).lost(60, 0)
  expect(lost().rulesOf(new DeathModel())).toEqual([])
  expect(lost().heard(61, 'a.1', 2).lost(61, 0).rulesOf(new DeathModel())).toEqual([])
  expect(lost().heard(61, 'a.1', 2).lost(90, 0).rulesOf(new DeathModel())).toEqual(['false death'])
})

it('the simulator accepts that a frozen node is declared dead before the node’s next heartbeat', () => {
  const thawed = () =>
    new Script().at(1, 'a.1', { kind: 'node.frozen', forMs: 2000, where: 'here' }).at(3, 'a.1', { kind: 'node.thawed' })
  expect(thawed().lost(40).rulesOf(new DeathModel())).toEqual([])
  expect(thawed().heard(4, 'a.1', 2).lost(40).rulesOf(new DeathModel())).toEqual(['false death'])
})

it('the simulator reports a node that requests work although the storage accepted no heartbeat of this node for 80 % of deadAfter', () => {
  const asks = { kind: 'work.asked', operation: 'claim', ids: [] } as const
  expect(new Script().at(4, 'a.1', asks).rulesOf(new IsolationModel())).toEqual([])
  expect(new Script().at(4.1, 'a.1', asks).rulesOf(new IsolationModel())).toEqual(['isolated'])
  const unheard = new Script()
    .at(5, 'c.1', { kind: 'node.starting', node: 'c', build: 0, heartbeatMs: 1000, deadAfterMs: 5000 })
    .at(6, 'c.1', asks)
  expect(unheard.rulesOf(new IsolationModel())).toEqual(['isolated'])
})

const job = jobId('job')

function slot(seconds: number, life: string | null, script: Script, at: number): Script {
  const item = {
    kind: 'slot',
    id: occurrenceId(job, seconds * 1000),
    jobId: job,
    scheduledAt: seconds * 1000,
    jobVersion: 1,
    nextAt: null,
    executionTimeoutMs: 100_000,
    details: {},
    runs: [],
  } as const
  const created = {
    kind: 'created',
    item,
    state: 'running',
    reason: null,
    token: 1,
    now: at * 1000,
    displaced: [],
  } as const
  return script.at(at, life, created)
}

it('the simulator reports a late launch of a slot unless a fault happened after the slot was due', () => {
  const script = () => new Script().at(0, null, { kind: 'clocks', startMs: 0, hasClock: false, uncertaintyMs: 0 })
  const late = (story: Script) => {
    const quiet = new Quiet()
    const model = new LatenessModel(quiet)
    for (const [index, event] of story.events.entries()) {
      quiet.follow(event)
      model.follow(event, index)
    }
    return model.violations.length
  }
  expect(late(slot(10, 'b.1', script(), 20))).toBe(0)
  expect(late(slot(10, 'b.1', script(), 30))).toBe(1)
  expect(late(slot(10, 'b.1', script().at(12, null, { kind: 'storage.away', hangs: false }), 30))).toBe(0)
})

it('the simulator reports a dead node’s runs that no living node takes over in time', () => {
  const died = (end: Told = { kind: 'node.crashed', where: 'here' }) => {
    const script = new Script()
    const head = {
      id: job,
      definition: { settings: {} },
      timeline: [],
      watermark: 0,
      nextAt: 1000,
      pruneFloor: null,
      paused: null,
      deletedAt: null,
      version: 1,
      fingerprint: 'one',
    }
    const saved = { kind: 'job.saved', change: 'create', canceled: [], starting: true, setBackTo: null } as const
    script.at(0, 'a.1', { ...saved, head: head as never })
    return slot(1, 'a.1', script, 1).at(2, 'a.1', end)
  }
  const reaped = {
    kind: 'reaped',
    id: occurrenceId(job, 1000),
    jobId: job,
    token: 1,
    action: 'fail',
    reason: 'node_lost',
    runs: [],
    now: 8000,
  } as const
  const rulesOf = (script: Script) => {
    const checker = new HistoryChecker()
    checker.follow(script.events)
    return checker.violations.map(({ rule }) => rule).filter((rule) => rule === 'takeover' || rule === 'reaped early')
  }
  expect(rulesOf(died().lost(8).at(8, 'b.1', reaped).heard(60, 'b.1', 2))).toEqual([])
  expect(rulesOf(died().heard(60, 'b.1', 2))).toEqual(['takeover'])
  expect(rulesOf(died().at(8, 'b.1', reaped).heard(60, 'b.1', 2))).toEqual(['reaped early'])
  // Adds repeated outages. In each 10 s, the storage answers heartbeats for only 4 s. The rule `takeover` counts only the time
  // with answers: after about 20 s of this time, a takeover is late.
  const throughOutages = (outages: number) => {
    const script = died()
    let counter = 1
    for (let count = 0; count < outages; count++) {
      const at = 10 * (count + 1)
      script.at(at - 4, null, { kind: 'storage.away', hangs: false }).at(at, null, { kind: 'storage.back' })
      for (let second = 0; second < 5; second++) script.heard(at + second, 'b.1', ++counter)
    }
    return rulesOf(script)
  }
  expect(throughOutages(3)).toEqual([])
  expect(throughOutages(9)).toEqual(['takeover'])
  // A late call may have given an occurrence to a node that had shut down, which is no violation.
  expect(rulesOf(died({ kind: 'node.down' }).at(8, 'b.1', reaped).heard(60, 'b.1', 2))).toEqual([])
})
