import {
  createScheduler,
  defineJob,
  type OccurrenceId,
  type Scheduler,
  silentLogger,
  systemClock,
  type TaskContext,
} from '@jobistemer/core'
import type { LiveState, OccurrenceRecord, Page, Storage } from '@jobistemer/core/storage'
import { isFinal, liveStates } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'
import { addTally, type CompletionTally, countFault, emptyTally } from './completion-tally.ts'
import type { HostileDatabase, HostileTransaction } from './hostile-database.ts'
import { NextOwners } from './next-owners.ts'

/** Options of {@link playCompletions}. */
export interface CompletionPlay {
  readonly database: HostileDatabase
  /** Number of occurrences. Nodes retry each one until it ends. */
  readonly occurrences: number
  readonly seed: number | string
  /** Number of jobs. Storage calls about one job wait for each other. Default 1. */
  readonly jobs?: number
  /** Number of handlers that a node runs concurrently. Default 8. */
  readonly concurrency?: number
  /** Maximum delay in ms of settle and claim calls, which makes batches larger. Default 0. */
  readonly delayMs?: number
  /** Wraps the storage that the nodes use. */
  readonly wrap?: (storage: Storage) => Storage
  /**
   * On average, one of this number of handler calls gets a fault of {@link HostileDatabase.deadly}, which ends this
   * process. Default: no fault ends this process.
   */
  readonly killEvery?: number
  /**
   * The state that an earlier process of this test left when a fault ended that process. This process continues the
   * test from this state. Default: this process begins a new test.
   */
  readonly before?: CompletionRemains
}

/** The state of a completion test. Another process needs this state to continue the test. */
export interface CompletionRemains {
  /** Number of processes that faults have ended. */
  readonly kills: number
  /** `true` if the request for every occurrence has been sent. */
  readonly hasAsked: boolean
  readonly tally: CompletionTally
  /** The unique texts (see `MovedRow.mark`) of handler calls whose commit was acknowledged. */
  readonly acknowledged: readonly string[]
  /** The unique texts of handler calls that sent their commit after another node had replaced their owner. */
  readonly tooLate: readonly string[]
  /** The unique texts of handler calls whose commit was sent but not acknowledged. */
  readonly unanswered: readonly string[]
}

/** The result of a completion test: its counts, and the violations that it found. */
export interface CompletionOutcome extends CompletionTally {
  /** Contradictions between rows and completed tasks, and other errors. Empty if the storage is correct. */
  readonly violations: readonly string[]
}

/** From this attempt on, no faults are injected, so that each occurrence ends. */
const calmFrom = 8
/**
 * Upper limit for the random number of statements before a fault. The transaction of a handler has fewer statements, so
 * some faults hit no statement.
 */
const statements = 14
const looksEvery = 250
/**
 * Number of successive empty claims of idle nodes after which the test ends. A time limit could end the test too early on a
 * busy machine.
 */
const idleClaims = 300
const askedTogether = 1000
const page = 500
const long = { minutes: 30 } as const

/**
 * A completion test: two nodes run occurrences whose handler writes a row and completes its task in the same transaction.
 * Meanwhile, statements fail, connections break, answers are lost, and other nodes replace owners. Handlers also ignore errors,
 * complete twice, and do not await calls.
 *
 * A row must always exist exactly if its task has completed. At the end, each occurrence must have exactly one row.
 */
export class CompletionPlayers {
  readonly #play: CompletionPlay
  readonly #random: SeededRandom
  readonly #storage: Storage
  readonly #violations: string[] = []
  readonly #tally = emptyTally()
  readonly #markBefore: string
  readonly #acknowledged: Set<string>
  readonly #tooLate: Set<string>
  readonly #unanswered: Set<string>
  readonly #ended = new Set<OccurrenceId>()
  readonly #owners = new NextOwners()
  readonly #underWay = new Set<Promise<void>>()
  readonly #asides: Promise<unknown>[] = []
  #looking: Promise<void> = Promise.resolve()
  /** Number of occurrences that must end while this process runs. */
  #awaited: number
  #hasAsked = false
  #idleClaims = 0
  #over: () => void = () => {}
  readonly #isOver: Promise<void> = new Promise((resolve) => {
    this.#over = resolve
  })

  constructor(play: CompletionPlay) {
    const { before } = play
    this.#play = play
    this.#random = new SeededRandom(before === undefined ? play.seed : `${play.seed} ${before.kills}`)
    this.#markBefore = before === undefined ? '' : `${before.kills}.`
    this.#storage = play.database.connect()
    this.#awaited = play.occurrences
    if (before !== undefined) addTally(this.#tally, before.tally)
    this.#acknowledged = new Set(before?.acknowledged)
    this.#tooLate = new Set(before?.tooLate)
    this.#unanswered = new Set(before?.unanswered)
  }

  /** Returns the state with which another process continues the test after this fault has ended the present process. */
  remains(fault: string, statement: string): CompletionRemains {
    const tally = emptyTally()
    addTally(tally, this.#tally)
    countFault(tally, fault, statement)
    return {
      kills: (this.#play.before?.kills ?? 0) + 1,
      hasAsked: this.#hasAsked,
      tally,
      acknowledged: [...this.#acknowledged],
      tooLate: [...this.#tooLate],
      unanswered: [...this.#unanswered],
    }
  }

  async run(): Promise<CompletionOutcome> {
    const storages = [this.#play.database.connect(), this.#play.database.connect()]
    const nodes = storages.map((storage, index) => this.#node(storage, `node-${index}`))
    const isAsked = this.#play.before?.hasAsked === true
    if (isAsked) this.#awaited = (await this.#live()).length
    try {
      for (const node of nodes) await node.start()
      if (!isAsked) await this.#ask(nodes[0] as Scheduler)
      this.#hasAsked = true
      await this.#isOver
    } finally {
      // Aborts running handlers, because after a violation some occurrences may never end.
      await Promise.all(nodes.map((node) => node.shutdown({ gracePeriod: 0, abortGracePeriod: 1000 })))
      await Promise.allSettled(this.#underWay)
      await Promise.all(this.#asides)
      await this.#looking
      await this.#lookAtTheEnd()
      for (const storage of [...storages, this.#storage]) await storage.close()
    }
    return { violations: this.#violations, ...this.#tally }
  }

  #node(storage: Storage, nodeId: string): Scheduler {
    const { wrap = (same: Storage) => same, concurrency = 8, jobs = 1 } = this.#play
    const settings = {
      overlapPolicy: 'allow',
      onInterrupted: 'retry',
      maxRescues: 1000,
      // Only a hanging handler exceeds this timeout, even on a busy machine.
      executionTimeout: { minutes: 5 },
      retryPolicy: { maxRetries: 1000, retryInterval: 0 },
    } as const
    const run = async (context: TaskContext) => {
      const call = this.#try(context)
      const settled = call.then(
        () => {},
        () => {},
      )
      this.#underWay.add(settled)
      await settled
      this.#underWay.delete(settled)
      this.#idleClaims = 0
      await call
    }
    const node = createScheduler({
      storage: this.#counted(wrap(storage)),
      logger: silentLogger,
      nodeId,
      jobs: Array.from({ length: jobs }, (_, index) =>
        defineJob({ name: `move-${index}`, ...settings, tasks: [{ name: 'move', run }] }),
      ),
      pollInterval: 20,
      // Internal option: interval of the reaper in ms. No public option sets it.
      [Symbol.for('jobistemer.reapInterval')]: 500,
      maxConcurrentJobs: concurrency,
      callTimeout: long,
    })
    node.on('occurrence.finished', ({ report }) => {
      const { id } = report.occurrence
      if (report.outcome !== 'completed') this.#violate(`${id} has ended as ${report.outcome}`)
      this.#hasEnded(id)
    })
    return node
  }

  /**
   * Sends the requests for all occurrences. Each request has a key. If an earlier process has already sent a request,
   * the key prevents a second run.
   */
  async #ask(node: Scheduler): Promise<void> {
    const { occurrences, jobs = 1 } = this.#play
    for (let from = 0; from < occurrences; from += askedTogether) {
      const items = Array.from({ length: Math.min(askedTogether, occurrences - from) }, (_, index) => {
        const number = from + index
        return { job: `move-${number % jobs}`, key: `${number}` }
      })
      for (const answer of await node.triggerMany(items)) {
        if (answer.error !== null) throw answer.error
        if (isFinal(answer.state)) this.#hasEnded(answer.id)
      }
    }
  }

  #hasEnded(id: OccurrenceId): void {
    this.#idleClaims = 0
    this.#ended.add(id)
    if (this.#ended.size % looksEvery === 0) this.#look()
    if (this.#ended.size === this.#awaited) this.#over()
  }

  /**
   * Wraps a node's storage: delays calls, and counts empty claims. A faulty storage may leave an occurrence without an
   * end, so the test ends after many empty claims.
   */
  #counted(storage: Storage): Storage {
    const { delayMs = 0 } = this.#play
    return wrapStorage(storage, {
      around: async (call) => {
        if (delayMs > 0 && (call.method === 'settle' || call.method === 'claim')) {
          const waitMs = this.#random.whole(0, delayMs)
          await new Promise<void>((resolve) => systemClock.setTimer(waitMs, resolve))
        }
        if (call.method !== 'claim') return await call.proceed()
        const answer = await call.proceed()
        if (!this.#hasAsked || this.#underWay.size > 0 || answer.claimed.length > 0) this.#idleClaims = 0
        else if (++this.#idleClaims === idleClaims) this.#aside(this.#lookForIdle())
        return answer
      },
    })
  }

  /**
   * Ends the test after many empty claims.
   *
   * If an occurrence is still live, reports a violation, because no node claims this occurrence. Without a live
   * occurrence, reports no violation: an earlier process ended the last occurrences, and then a fault killed that
   * process. The present process has received no events about these ends.
   */
  async #lookForIdle(): Promise<void> {
    const live = await this.#live()
    if (live.length > 0)
      this.#violate(`${live.length} occurrences have not ended, but the nodes claim none: ${live[0]}`)
    this.#over()
  }

  async #live(): Promise<readonly LiveState[]> {
    const states: LiveState[] = []
    for (const state of liveStates) {
      let cursor: string | null = null
      do {
        const { items, cursor: next }: Page<OccurrenceRecord> = await this.#storage.listOccurrences({
          kind: 'live',
          state,
          runs: false,
          limit: page,
          cursor,
        })
        states.push(...items.map(() => state))
        cursor = next
      } while (cursor !== null)
    }
    return states
  }

  async #try(context: TaskContext): Promise<void> {
    const { id } = context.occurrence
    const { attempt, fencingToken: token } = context
    const mark = `${this.#markBefore}${++this.#tally.tries}`
    const random = this.#random
    const { database } = this.#play
    this.#owners.begins(id, token)
    const isCalm = attempt >= calmFrom || token >= calmFrom
    const fault = isCalm ? null : this.#pickFault()
    const replace = async () => await this.#replace(id, token)
    const isReplacedFirst = !isCalm && random.chance(database.isExclusive ? 0.15 : 0.08) && (await replace())
    const transaction = await database.begin()
    // The lost answer of a commit is the most important fault, but few handler calls reach their commit. So this code
    // reserves some faults for the commit.
    const faultOfCommit = fault !== null && random.chance(0.15) ? fault : null
    if (fault !== null && faultOfCommit === null) transaction.breakAfter(fault, random.whole(0, statements))
    const isReplaced = isReplacedFirst || (!isCalm && !database.isExclusive && random.chance(0.08) && (await replace()))
    try {
      await this.#move({ context, transaction, mark, isCalm, isReplaced, faultOfCommit })
    } finally {
      const statement = await transaction.end()
      if (fault !== null && statement !== null) countFault(this.#tally, fault, statement)
      if (isReplaced) this.#tally.late++
    }
  }

  #pickFault(): string | null {
    const { database, killEvery } = this.#play
    if (killEvery !== undefined && this.#random.chance(1 / killEvery)) return this.#random.pick(database.deadly)
    return this.#random.chance(0.7) ? this.#random.pick(database.faults) : null
  }

  async #move({ context, transaction, mark, isCalm, isReplaced, faultOfCommit }: Try): Promise<void> {
    const may = (share: number) => !isCalm && this.#random.chance(share)
    const { id } = context.occurrence
    const token = context.fencingToken
    const [rowLast, swallows, twice] = [may(0.3), may(0.4), may(0.1)]
    const [replacedLater, dies] = [may(0.1), may(0.1)]
    try {
      if (!rowLast) await transaction.write({ id, mark })
      try {
        await context.complete(transaction.transaction, mark)
        if (twice) await context.complete(transaction.transaction, `${mark} again`)
      } catch (error) {
        if (!swallows) throw error
      }
      if (rowLast) await transaction.write({ id, mark })
      // Does not await the replacement of the owner, because the replacement may wait for this transaction.
      if (replacedLater) this.#aside(this.#replace(id, token))
      if (dies) throw new Error('the handler throws after its completion')
      if (isReplaced) {
        this.#tooLate.add(mark)
        if (this.#owners.isOvertaken(id, token)) this.#tally.overtaken++
      }
      this.#unanswered.add(mark)
      if (faultOfCommit !== null) transaction.breakAfter(faultOfCommit, 0)
      await transaction.commit()
      this.#unanswered.delete(mark)
      this.#acknowledged.add(mark)
      if (isReplaced) this.#violate(`${mark} came too late, but was committed`)
      this.#tally.committed++
    } catch (error) {
      this.#tally.refused++
      throw error
    }
  }

  /** Records a violation. The first violation ends the test. */
  #violate(line: string): void {
    this.#violations.push(line)
    this.#over()
  }

  #aside(work: Promise<unknown>): void {
    this.#asides.push(work.catch((error) => this.#violate(`aside: ${String(error)}`)))
  }

  /**
   * Reaps the occurrence, as a node does after it has declared the owner dead. Returns whether the owner still had the
   * occurrence.
   */
  async #replace(id: OccurrenceId, token: number): Promise<boolean> {
    const { occurrences } = await this.#storage.get({ occurrences: [id] })
    const record = occurrences[0]
    if (record == null || !isUnderWay(record, token)) return false
    const item = { ...record, runs: [], action: 'retry', reason: 'requested by the test' } as const
    const [answer] = await this.#storage.reap({ now: systemClock.now(), items: [item] })
    if (answer?.outcome !== 'reaped') return false
    // In 70 % of the cases, waits until another node runs the occurrence before the old owner continues.
    if (this.#random.chance(0.7)) await this.#owners.after(id, token)
    return true
  }

  #look(): void {
    this.#looking = this.#looking.then(async () => {
      for (const line of await this.#play.database.mismatches()) this.#violate(`while it runs: ${line}`)
    })
  }

  async #lookAtTheEnd(): Promise<void> {
    const { database, occurrences } = this.#play
    for (const line of await database.mismatches()) this.#violate(`at the end: ${line}`)
    const marks = new Set(await database.marks())
    const live = await this.#live()
    if (live.length === 0 && marks.size !== occurrences)
      this.#violate(`${occurrences} occurrences have left ${marks.size} rows`)
    for (const mark of this.#acknowledged)
      if (!marks.has(mark)) this.#violate(`${mark} was committed, but its row is missing`)
    for (const mark of this.#tooLate) if (marks.has(mark)) this.#violate(`${mark} came too late, but its row exists`)
    this.#tally.unanswered = this.#unanswered.size
    this.#tally.unansweredHeld = [...this.#unanswered].filter((mark) => marks.has(mark)).length
  }
}

/** One call of the handler, with the faults that the test injects. */
interface Try {
  readonly context: TaskContext
  readonly transaction: HostileTransaction
  readonly mark: string
  /** `true` if no fault is injected into this try. */
  readonly isCalm: boolean
  /** `true` if the occurrence was taken from this owner before the commit. */
  readonly isReplaced: boolean
  /** The fault of the commit; `null` for a commit without a fault. */
  readonly faultOfCommit: string | null
}

/** See {@link CompletionPlayers}. */
export async function playCompletions(play: CompletionPlay): Promise<CompletionOutcome> {
  return await new CompletionPlayers(play).run()
}

function isUnderWay({ state, token, runs }: OccurrenceRecord, own: number): boolean {
  return state === 'running' && token === own && runs[0]?.state !== 'completed'
}
