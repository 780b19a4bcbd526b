import {
  createScheduler,
  defineJob,
  type OccurrenceId,
  silentLogger,
  systemClock,
  type TaskContext,
} from '@jobistemer/core'
import type { OccurrenceRecord, Storage } from '@jobistemer/core/storage'
import { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'
import type { HostileDatabase, HostileTransaction } from './hostile-database.ts'

/** What {@link playCompletions} takes. */
export interface CompletionPlay {
  readonly database: HostileDatabase
  /** How many occurrences run. Each takes some tries: as many as it needs to end. */
  readonly occurrences: number
  readonly seed: number | string
  /** How many handlers of a node are under way at once. Default 8. */
  readonly concurrency?: number
  /** Makes of a storage what nodes are given. */
  readonly wrap?: (storage: Storage) => Storage
}

/** What came of it. */
export interface CompletionTally {
  /** What must not be. */
  readonly violations: readonly string[]
  /** Calls of the handler. */
  tries: number
  /** Tries whose commit was acknowledged. */
  committed: number
  /** Tries that were refused, that broke, or that thought better of it. */
  refused: number
  /** Tries whose owner was replaced before the commit, by the storage's own word. */
  late: number
  /** Faults that came, by their kind. */
  readonly faults: Readonly<Record<string, number>>
}

/** From this attempt on nothing goes wrong any more, so that each occurrence ends. */
const calmFrom = 8
/** More statements than a try has: a fault that is to come after them does not come. */
const statements = 14
const looksEvery = 250
const looksForOwner = 8
/** An occurrence ends far more often, also on a busy machine. */
const patienceMs = 10_000

/**
 * Two nodes run one occurrence after the other, whose handler writes a row and completes its task in the same
 * transaction, while everything goes wrong that can: statements fail, connections break, answers get lost, owners are
 * replaced, handlers swallow errors, complete twice, do not wait. At each moment a row has to be there exactly when its
 * task has completed, and at the end each occurrence has exactly one.
 */
export async function playCompletions(play: CompletionPlay): Promise<CompletionTally> {
  return await new Players(play).run()
}

/** One call of the handler. */
interface Try {
  readonly context: TaskContext
  readonly transaction: HostileTransaction
  readonly mark: string
  /** Nothing goes wrong. */
  readonly isCalm: boolean
  /** The occurrence has been taken from this owner. */
  readonly isReplaced: boolean
}

class Players {
  readonly #play: CompletionPlay
  readonly #random: SeededRandom
  readonly #storage: Storage
  readonly #violations: string[] = []
  readonly #faults: Record<string, number> = {}
  readonly #tally = { tries: 0, committed: 0, refused: 0, late: 0 }
  /** Marks of tries whose commit was acknowledged. */
  readonly #acknowledged = new Set<string>()
  /** Marks of tries that had been replaced when they asked for their commit. */
  readonly #tooLate = new Set<string>()
  readonly #ended = new Set<OccurrenceId>()
  readonly #asides: Promise<unknown>[] = []
  #looking: Promise<void> = Promise.resolve()
  #over: () => void = () => {}
  readonly #isOver: Promise<void> = new Promise((resolve) => {
    this.#over = resolve
  })

  constructor(play: CompletionPlay) {
    this.#play = play
    this.#random = new SeededRandom(play.seed)
    this.#storage = play.database.connect()
  }

  async run(): Promise<CompletionTally> {
    const { occurrences } = this.#play
    const storages = [this.#play.database.connect(), this.#play.database.connect()]
    const nodes = storages.map((storage, index) => {
      const node = this.#node(storage, `node-${index}`)
      node.on('occurrence.finished', ({ report }) => {
        const { id } = report.occurrence
        if (report.outcome !== 'completed') this.#violate(`${id} has ended as ${report.outcome}`)
        this.#ended.add(id)
        if (this.#ended.size % looksEvery === 0) this.#look()
        if (this.#ended.size === occurrences) this.#over()
      })
      return node
    })
    try {
      for (const node of nodes) await node.start()
      const asked = await nodes[0]?.triggerMany(Array.from({ length: occurrences }, () => ({ job: 'move' })))
      for (const { error } of asked ?? []) if (error !== null) throw error
      this.#watch()
      await this.#isOver
      await Promise.all(this.#asides)
      await this.#looking
      // What is under way when something was found is not at its end.
      if (this.#violations.length === 0) await this.#lookAtTheEnd()
    } finally {
      // After a violation occurrences may be under way that never end.
      await Promise.all(nodes.map((node) => node.shutdown({ gracePeriod: 0, abortGracePeriod: 1000 })))
      for (const storage of [...storages, this.#storage]) await storage.close()
    }
    return { violations: this.#violations, ...this.#tally, faults: this.#faults }
  }

  #node(storage: Storage, nodeId: string) {
    const { wrap = (same: Storage) => same, concurrency = 8 } = this.#play
    const settings = {
      overlapPolicy: 'allow',
      onInterrupted: 'retry',
      maxRescues: 1000,
      executionTimeout: { seconds: 30 },
      retryPolicy: { maxRetries: 1000, retryInterval: 0 },
    } as const
    return createScheduler({
      storage: wrap(storage),
      logger: silentLogger,
      nodeId,
      jobs: [defineJob({ name: 'move', ...settings, tasks: [{ name: 'move', run: (context) => this.#try(context) }] })],
      pollInterval: 20,
      reapInterval: 500,
      maxConcurrentJobs: concurrency,
    })
  }

  async #try(context: TaskContext): Promise<void> {
    const mark = `${++this.#tally.tries}`
    const random = this.#random
    const { database } = this.#play
    const isCalm = context.attempt >= calmFrom || context.fencingToken >= calmFrom
    const fault = !isCalm && random.chance(0.7) ? random.pick(database.faults) : null
    const replace = async () => await this.#replace(context.occurrence.id, context.fencingToken)
    const isReplacedFirst = !isCalm && random.chance(database.isExclusive ? 0.15 : 0.08) && (await replace())
    const transaction = await database.begin()
    if (fault !== null) transaction.breakAfter(fault, random.whole(0, statements))
    const isReplaced = isReplacedFirst || (!isCalm && !database.isExclusive && random.chance(0.08) && (await replace()))
    try {
      await this.#move({ context, transaction, mark, isCalm, isReplaced })
    } finally {
      const hasBroken = await transaction.end()
      if (fault !== null && hasBroken) this.#faults[fault] = (this.#faults[fault] ?? 0) + 1
      if (isReplaced) this.#tally.late++
    }
  }

  async #move({ context, transaction, mark, isCalm, isReplaced }: Try): Promise<void> {
    const may = (share: number) => !isCalm && this.#random.chance(share)
    const { id } = context.occurrence
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
      // What holds it up is this very transaction, perhaps: nobody waits for it here.
      if (replacedLater) this.#aside(this.#replace(id, context.fencingToken))
      if (dies) throw new Error('the handler has thought better of it')
      if (isReplaced) this.#tooLate.add(mark)
      await transaction.commit()
      this.#acknowledged.add(mark)
      if (isReplaced) this.#violate(`${mark} came too late and was committed`)
      this.#tally.committed++
    } catch (error) {
      this.#tally.refused++
      throw error
    }
  }

  /** What a broken storage takes may leave an occurrence without an end. */
  #watch(endedBefore = -1): void {
    const ended = this.#ended.size
    if (ended === endedBefore) {
      this.#violate(`no occurrence has ended for ${patienceMs} ms`)
      return
    }
    const timer = systemClock.setTimer(patienceMs, () => this.#watch(ended), { unref: true })
    void this.#isOver.then(() => timer.cancel())
  }

  /** The first one ends the play. */
  #violate(line: string): void {
    this.#violations.push(line)
    this.#over()
  }

  #aside(work: Promise<unknown>): void {
    this.#asides.push(work.catch((error) => this.#violate(`aside: ${String(error)}`)))
  }

  /** Takes the occurrence from its owner, as a reaper does that takes it for dead. Answers whether it had it until now. */
  async #replace(id: OccurrenceId, token: number): Promise<boolean> {
    const { occurrences } = await this.#storage.get({ occurrences: [id] })
    const record = occurrences[0]
    if (record == null || !isUnderWay(record, token)) return false
    const item = { ...record, runs: [], action: 'retry', reason: 'the test says so' } as const
    const [answer] = await this.#storage.reap({ now: systemClock.now(), items: [item] })
    if (answer?.outcome !== 'reaped') return false
    // Often another node has it by the time that the old owner goes on.
    if (this.#random.chance(0.7)) await this.#claimedSoon(id, token)
    return true
  }

  /** For so many looks only: all nodes may have their hands full. */
  async #claimedSoon(id: OccurrenceId, token: number): Promise<void> {
    for (let look = 0; look < looksForOwner; look++) {
      const { occurrences } = await this.#storage.get({ occurrences: [id] })
      if (occurrences[0]?.token !== token) return
    }
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
    if (marks.size !== occurrences) this.#violate(`${occurrences} occurrences have left ${marks.size} rows`)
    for (const mark of this.#acknowledged) if (!marks.has(mark)) this.#violate(`${mark} was committed and is gone`)
    for (const mark of this.#tooLate) if (marks.has(mark)) this.#violate(`${mark} came too late and is there`)
  }
}

function isUnderWay({ state, token, runs }: OccurrenceRecord, own: number): boolean {
  return state === 'running' && token === own && runs[0]?.state !== 'completed'
}
