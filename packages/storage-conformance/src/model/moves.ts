import type {
  CancelItem,
  FinalState,
  OccurrenceState,
  OverlapPolicy,
  ReapItem,
  StartRate,
} from '@jobistemer/core/storage'
import fc from 'fast-check'

/**
 * Index of a job, node or key of the model. The model has only a few of each, so that several moves affect the same
 * job, node or key.
 */
type Index = number

/**
 * One step of a random history. To shorten a failing history, fast-check removes moves. Moves contain no record ids, so the
 * shortened history stays valid.
 */
export type Move =
  | { readonly kind: 'advance'; readonly seconds: number }
  | {
      readonly kind: 'createJob'
      readonly job: Index
      readonly policy: OverlapPolicy
      readonly maxQueued: number
      readonly maxConcurrency: number
      readonly startRate: StartRate | null
    }
  | {
      readonly kind: 'replaceJob'
      readonly job: Index
      readonly policy: OverlapPolicy
      readonly maxQueued: number
      readonly maxConcurrency: number
      readonly startRate: StartRate | null
      readonly waiting: 'keep' | 'cancel'
      readonly versionOffset: number
      readonly watermarkOffset: number
      /** Number of slots by which the watermark is set back; `null` to keep it. */
      readonly setBackBy: Index | null
      readonly print: number
      readonly cancelLimit: number | null
    }
  /** `slots`: number of slots that the pause lasts; `null` for a pause until a resume. */
  | { readonly kind: 'pauseJob'; readonly job: Index; readonly paused: boolean; readonly slots: number | null }
  | { readonly kind: 'deleteJob'; readonly job: Index; readonly versionOffset: number | null }
  /** Creates successive slots of a job. The first one is `offset` slots after the job's next instant. */
  | {
      readonly kind: 'slots'
      readonly job: Index
      readonly offset: number
      readonly count: number
      readonly versionOffset: number
      readonly run: boolean
      readonly priority: number | undefined
      /** `true`: the move first advances the time until the last slot is due. */
      readonly inTime: boolean
    }
  /** Creates the next slot of every job in one call, in ascending or `reversed` order of the jobs. */
  | { readonly kind: 'allSlots'; readonly run: boolean; readonly inTime: boolean; readonly reversed: boolean }
  | {
      readonly kind: 'request'
      readonly job: Index
      readonly request: 'trigger' | 'replay'
      readonly key: Index
      readonly scope: 'waiting' | 'live' | 'forever'
      readonly run: boolean
      readonly priority: number | undefined
      readonly delaySeconds: number
      readonly atSlot: boolean
      readonly versionOffset: number
    }
  | { readonly kind: 'exclusion'; readonly job: Index; readonly ahead: number; readonly versionOffset: number }
  | {
      readonly kind: 'recovery'
      readonly job: Index
      readonly count: number
      /** Number of missed slots that run. These are the last missed slots; the recovery stores the earlier slots as missed. */
      readonly runs: number
      readonly priority: number | undefined
      readonly watermarkOffset: number
    }
  | {
      readonly kind: 'claim'
      readonly node: Index
      readonly limit: number
      readonly except: Index | null
      readonly sweep: boolean
    }
  | { readonly kind: 'settle'; readonly items: readonly SettleMove[] }
  | { readonly kind: 'cancel'; readonly picks: readonly number[]; readonly mode: CancelItem['mode'] }
  | {
      readonly kind: 'reap'
      readonly pick: number
      readonly tokenOffset: number
      readonly sequenceOffset: number
      readonly action: ReapItem['action']
    }
  | { readonly kind: 'prune'; readonly job: Index | null; readonly ageSeconds: number; readonly keep: number }
  /** Repeats the previous call, as a node does after a lost answer. */
  | { readonly kind: 'repeat' }
  | {
      readonly kind: 'heartbeat'
      /** The incarnation that sends the heartbeat; `null` to only read the nodes. */
      readonly life: Index | null
      readonly counter: number
      readonly profile: Index | null
      readonly removes: readonly { readonly life: Index; readonly counter: number }[]
      readonly leaving: boolean
    }
  | {
      readonly kind: 'due'
      readonly limit: number
      readonly after: Index | null
      readonly upTo: Index
      /** Limits the query to the shard of this job; `null` for all shards. */
      readonly shardOf: Index | null
    }
  | {
      readonly kind: 'failures'
      readonly job: Index | null
      readonly limit: number
      readonly descending: boolean
      readonly from: number | null
      readonly to: number | null
    }
  | {
      readonly kind: 'list'
      readonly job: Index
      readonly limit: number
      readonly descending: boolean
      readonly from: number | null
      readonly to: number | null
      readonly states: readonly OccurrenceState[] | null
    }

export interface SettleMove {
  readonly pick: number
  readonly change: 'progress' | 'release' | FinalState
  readonly tokenOffset: number
  readonly sequenceOffset: number
  /**
   * The node that takes the next queued occurrence in the same step, if this move ends an occurrence. `null`: no node takes it.
   * Used only if the storage supports `takeNext`.
   */
  readonly taker: Index | null
}

/** Number of jobs, nodes, request keys and node incarnations in the model. */
export const modelSize = { jobs: 3, nodes: 2, keys: 3, lives: 3 } as const

const policies: readonly OverlapPolicy[] = ['skip', 'queue', 'queue_one', 'allow', 'cancel_running']
const finalStates: readonly FinalState[] = ['completed', 'completed_with_errors', 'failed', 'canceled']
const states: readonly OccurrenceState[] = ['pending', 'queued', 'running', 'skipped', 'missed', ...finalStates]

const job = fc.nat({ max: modelSize.jobs - 1 })
const policy = fc.constantFrom(...policies)
const maxQueued = fc.constantFrom(1, 2, 1_000)
/**
 * Maximum number of active occurrences of a job. Mostly 1, so that all places of a job are often taken. Larger values find
 * storages that count only the first few active occurrences.
 */
const maxConcurrency = fc.constantFrom(1, 1, 1, 2, 3, 4, 5, 6)
const startRate = fc.constantFrom(null, null, null, { limit: 1, intervalMs: 30_000 }, { limit: 2, intervalMs: 90_000 })
/**
 * Mostly no priority. One priority level moves an occurrence by one hour in the order of waiting occurrences, which is
 * more than the whole duration of a history.
 */
const priority = fc.constantFrom(undefined, undefined, undefined, undefined, 0, 1, 1, -1, 10, -10)
const pick = fc.nat({ max: 30 })
const run = fc.boolean()
const inTime = fc.constantFrom(true, true, true, false)

const life = fc.nat({ max: modelSize.lives - 1 })
/** Generates few different heartbeat counters, so that equal counters occur. */
const counter = fc.nat({ max: 6 })

/**
 * Generates a number that most moves add to a stored value, such as a token. The number is mostly 0, and sometimes one of
 * `others`. With a number other than 0, the storage usually rejects the call.
 */
function offset(...others: readonly number[]): fc.Arbitrary<number> {
  return fc.oneof({ weight: 8, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.constantFrom(...others) })
}

const settleMove: fc.Arbitrary<SettleMove> = fc.record({
  pick,
  change: fc.constantFrom<SettleMove['change']>('progress', 'progress', 'release', 'completed', ...finalStates),
  tokenOffset: offset(-1, 1),
  // 1 gives the next sequence number, 0 repeats the last number, and -1 is outdated.
  sequenceOffset: fc.oneof(
    { weight: 8, arbitrary: fc.constant(1) },
    { weight: 3, arbitrary: fc.constantFrom(-1, 0, 3) },
  ),
  taker: fc.option(fc.nat({ max: modelSize.nodes - 1 }), { freq: 2 }),
})

function move<T extends Move>(kind: T['kind'], members: object): fc.Arbitrary<Move> {
  return fc.record({ kind: fc.constant(kind), ...members }) as unknown as fc.Arbitrary<Move>
}

function createJob(index: fc.Arbitrary<number>): fc.Arbitrary<Move> {
  return move('createJob', { job: index, policy, maxQueued, maxConcurrency, startRate })
}

const anyMove: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: move('advance', { seconds: fc.integer({ min: 1, max: 200 }) }) },
  { weight: 2, arbitrary: createJob(job) },
  {
    weight: 2,
    arbitrary: move('replaceJob', {
      job,
      policy,
      maxQueued,
      maxConcurrency,
      startRate,
      waiting: fc.constantFrom('keep', 'cancel'),
      versionOffset: offset(-1, 1),
      watermarkOffset: offset(-1),
      print: fc.nat({ max: 3 }),
      setBackBy: fc.option(fc.integer({ min: -1, max: 4 }), { freq: 3 }),
      cancelLimit: fc.constantFrom(null, 1, 2),
    }),
  },
  { weight: 2, arbitrary: move('pauseJob', { job, paused: fc.boolean(), slots: fc.constantFrom(null, 1, 2) }) },
  { weight: 1, arbitrary: move('deleteJob', { job, versionOffset: fc.constantFrom(null, 0, 1) }) },
  {
    weight: 9,
    arbitrary: move('slots', {
      job,
      offset: offset(-1, 1),
      // Mostly 1 to 3 slots. Sometimes 4 to 8, so that the slots can outnumber the places of the job.
      count: fc.oneof(
        { weight: 5, arbitrary: fc.integer({ min: 1, max: 3 }) },
        { weight: 1, arbitrary: fc.integer({ min: 4, max: 8 }) },
      ),
      versionOffset: offset(-1, 1),
      run,
      priority,
      inTime,
    }),
  },
  { weight: 4, arbitrary: move('allSlots', { run, inTime, reversed: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: move('request', {
      job,
      request: fc.constantFrom('trigger', 'replay'),
      key: fc.nat({ max: modelSize.keys - 1 }),
      scope: fc.constantFrom('forever', 'forever', 'waiting', 'live'),
      run,
      priority,
      delaySeconds: offset(30, 90),
      atSlot: fc.boolean(),
      versionOffset: offset(-1, 1),
    }),
  },
  {
    weight: 2,
    arbitrary: move('exclusion', { job, ahead: fc.integer({ min: -1, max: 3 }), versionOffset: offset(1) }),
  },
  {
    weight: 3,
    arbitrary: move('recovery', {
      job,
      count: fc.integer({ min: 1, max: 5 }),
      runs: fc.nat({ max: 3 }),
      priority,
      watermarkOffset: offset(-60_000, 60_000),
    }),
  },
  {
    weight: 9,
    arbitrary: move('claim', {
      node: fc.nat({ max: modelSize.nodes - 1 }),
      limit: fc.constantFrom(0, 1, 2, 100),
      except: fc.option(job, { freq: 4 }),
      sweep: fc.boolean(),
    }),
  },
  { weight: 12, arbitrary: move('settle', { items: fc.array(settleMove, { minLength: 1, maxLength: 3 }) }) },
  {
    weight: 3,
    arbitrary: move('cancel', {
      picks: fc.array(pick, { minLength: 1, maxLength: 2 }),
      mode: fc.constantFrom('request', 'force'),
    }),
  },
  {
    weight: 3,
    arbitrary: move('reap', {
      pick,
      tokenOffset: offset(-1, 1),
      sequenceOffset: offset(-1, 1),
      action: fc.constantFrom('fail', 'retry'),
    }),
  },
  {
    weight: 2,
    arbitrary: move('prune', {
      job: fc.option(job),
      ageSeconds: fc.nat({ max: 300 }),
      keep: fc.nat({ max: 2 }),
    }),
  },
  { weight: 4, arbitrary: move('repeat', {}) },
  {
    weight: 3,
    arbitrary: move('heartbeat', {
      life: fc.option(life, { freq: 6 }),
      counter,
      profile: fc.option(fc.nat({ max: 3 })),
      removes: fc.array(fc.record({ life, counter }), { maxLength: 2 }),
      leaving: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: move('due', {
      limit: fc.integer({ min: 1, max: 4 }),
      after: fc.option(fc.nat({ max: 10 })),
      upTo: fc.nat({ max: 15 }),
      shardOf: fc.option(job, { freq: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: move('failures', {
      job: fc.option(job),
      limit: fc.integer({ min: 1, max: 4 }),
      descending: fc.boolean(),
      from: fc.option(fc.nat({ max: 20 })),
      to: fc.option(fc.nat({ max: 20 })),
    }),
  },
  {
    weight: 3,
    arbitrary: move('list', {
      job,
      limit: fc.integer({ min: 1, max: 4 }),
      descending: fc.boolean(),
      from: fc.option(fc.nat({ max: 10 })),
      to: fc.option(fc.nat({ max: 10 })),
      states: fc.option(fc.uniqueArray(fc.constantFrom(...states), { minLength: 1, maxLength: 3 }), { freq: 3 }),
    }),
  },
)

/** Generates random histories. Each begins by creating jobs, because most moves need a job. */
export const histories: fc.Arbitrary<readonly Move[]> = fc.noBias(
  fc
    .tuple(
      fc.tuple(...Array.from({ length: modelSize.jobs }, (_, index) => createJob(fc.constant(index)))),
      fc.array(anyMove, { minLength: 1, maxLength: 80, size: 'max' }),
    )
    .map(([jobs, moves]) => [...jobs, ...moves]),
)
