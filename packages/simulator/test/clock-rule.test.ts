import { jobId, occurrenceId } from '@jobistemer/core'
import { expect, it } from 'vitest'
import { HistoryChecker } from '../src/checker/history-checker.ts'
import { History } from '../src/history/history.ts'

// Tests of the clock rule. Each test writes the history of node `a.1`, which uses a time ahead of the true time. By this time,
// the node claims, scans for overdue work, or decides about missed slots.

const startMs = Date.UTC(2026, 0, 1)
const id = jobId('job')
const hour = 3600

class Script {
  #seconds = 0
  readonly #history = new History(() => this.#seconds * 1000)

  constructor(options: { readonly hasClock: boolean; readonly wallSeconds?: number }) {
    this.#history.add(null, { kind: 'clocks', startMs, hasClock: options.hasClock, uncertaintyMs: 0 })
    this.#history.add('a.1', { kind: 'node.starting', node: 'a', build: 0, heartbeatMs: 1000, deadAfterMs: 5000 })
    this.node(options.wallSeconds ?? 0)
    this.#history.add('a.1', { kind: 'node.up' })
  }

  wait(seconds: number): this {
    this.#seconds += seconds
    return this
  }

  /** Sets the node's clock `seconds` ahead of the true time. */
  node(seconds: number): this {
    this.#history.add('a.1', { kind: 'node.clock-stepped', offsetMs: seconds * 1000 })
    return this
  }

  storage(seconds: number): this {
    this.#history.add(null, { kind: 'storage.clock-stepped', offsetMs: seconds * 1000 })
    return this
  }

  /** Makes the storage unavailable for `seconds`. At the end, the storage's clock is `aheadSeconds` ahead of the true time. */
  away(seconds: number, aheadSeconds: number): this {
    this.#history.add(null, { kind: 'storage.away', hangs: false })
    this.storage(aheadSeconds).wait(seconds)
    this.#history.add(null, { kind: 'storage.back' })
    return this
  }

  /** Records that the node claims an occurrence at a time `seconds` ahead of the true time. */
  claims(seconds: number): this {
    this.#history.add('a.1', {
      kind: 'claimed',
      id: occurrenceId(id, startMs),
      jobId: id,
      token: 1,
      jobVersion: 1,
      dueAt: startMs,
      executionTimeoutMs: 5000,
      runs: [],
      now: this.#at(seconds),
    })
    return this
  }

  /** Records that the node scans for overdue work at a time `seconds` ahead of the true time. */
  seeks(seconds: number): this {
    this.#history.add('a.1', { kind: 'overdue.sought', deadlineBefore: this.#at(seconds) })
    return this
  }

  /**
   * Records a recovery by the node. Its member `now` is the true time, but its watermark is `seconds` ahead of the true time.
   */
  recovers(seconds: number): this {
    const watermark = this.#at(seconds)
    const course = { expectedWatermark: startMs, watermark, nextAt: null, entries: [] }
    this.#history.add('a.1', { kind: 'recovered', jobId: id, jobVersion: 1, ...course, now: this.#at(0) })
    return this
  }

  get breaksIt(): boolean {
    const checker = new HistoryChecker()
    checker.follow(this.#history.events)
    return checker.violations.some(({ rule }) => rule === 'clock')
  }

  #at(aheadSeconds: number): number {
    return startMs + (this.#seconds + aheadSeconds) * 1000
  }
}

const wall = (wallSeconds = 0) => new Script({ hasClock: false, wallSeconds })
const server = (wallSeconds = 0) => new Script({ hasClock: true, wallSeconds })

it.each<[string, () => Script]>([
  ['claims by a clock that has jumped just now', () => wall().wait(60).node(hour).wait(5).claims(hour)],
  ['claims by a single reading', () => wall().wait(60).claims(hour)],
  [
    'claims by a clock that was wrong for 10 s, and is right again',
    () => {
      return wall().wait(60).node(hour).wait(10).node(0).wait(60).claims(hour)
    },
  ],
  [
    'claims by a clock that is wrong twice, each time for 10 s',
    () => {
      return wall().wait(60).node(hour).wait(10).node(0).wait(10).node(hour).wait(10).claims(hour)
    },
  ],
  ['claims by its own clock although the storage has one', () => server(hour).wait(60).claims(hour)],
  [
    'claims by a clock of the storage that has jumped just now',
    () => server().wait(60).storage(hour).wait(5).claims(hour),
  ],
  [
    'claims by a clock of the storage that was wrong just before an outage',
    () => server(-hour).wait(7).storage(hour).wait(1).away(60, 0).claims(hour),
  ],
  ['scans for overdue work by a clock that has just jumped', () => wall().wait(60).node(hour).seeks(hour)],
  ['decides slots that are still to come', () => wall().wait(60).recovers(hour)],
])('the simulator reports a node that acts by a clock that it must not trust: a node that %s', (_, make) => {
  expect(make().breaksIt).toBe(true)
})

it.each<[string, () => Script]>([
  ['claims by the time of its start', () => wall(hour).wait(60).claims(hour)],
  ['claims by a clock that was set a little', () => wall().wait(60).node(4).claims(4)],
  [
    'claims by a clock that has jumped, and was the same for long enough',
    () => {
      return wall().wait(60).node(hour).wait(16).claims(hour)
    },
  ],
  ['claims by the time before a jump', () => wall().wait(60).node(hour).wait(5).claims(0)],
  ['claims by a clock that has jumped back just now', () => wall().wait(60).node(-hour).claims(-hour)],
  [
    'claims by a clock of the storage that was the same for long enough',
    () => {
      return server().wait(60).storage(hour).wait(16).claims(hour)
    },
  ],
  [
    'claims, after an outage, by a clock of the storage that was right before, but for a moment',
    () => server(-hour).wait(7).storage(-10).wait(0.3).away(60, 0).wait(1).claims(0),
  ],
  [
    'claims by a clock of the storage that was right before an outage, and wrong for a moment behind it',
    () => server(-hour).wait(12).away(37, hour).wait(0.8).storage(0).wait(3).claims(0),
  ],
  [
    'claims by a clock of the storage that was right before an outage, and wrong before it looked again',
    () => server(-hour).wait(7).away(11.5, hour).wait(4.5).storage(0).wait(0.5).claims(0),
  ],
  [
    'claims by the right time, and was cut off while the clock of the storage was wrong',
    () =>
      server(-hour)
        .wait(12)
        .storage(-2 * hour)
        .wait(6)
        .storage(0)
        .wait(11)
        .claims(0),
  ],
])('the simulator accepts a node that acts by a clock that it may trust: a node that %s', (_, make) => {
  expect(make().breaksIt).toBe(false)
})
