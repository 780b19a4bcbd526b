import { availableParallelism, hostname } from 'node:os'
import type { Clock } from './clock.ts'
import type { JobOverrides, JobSettingsInput } from './configuration/settings.ts'
import { jobSettingNames, readJobSettings } from './configuration/read-settings.ts'
import {
  orDefault,
  readChoices,
  readInteger,
  readList,
  readMethods,
  readName,
  readObject,
  readOptionalFunction,
  readRecord,
} from './configuration/read-value.ts'
import { type DurationInput, toDurationMs } from './duration.ts'
import { uniqueSuffix } from './engine/runtime/unique-suffix.ts'
import type { Handlers } from './engine/definitions/job-plan.ts'
import type { ShutdownSignal } from './engine/api/process-signals.ts'
import { type Job, withDefaultTimezone } from './job/define-job.ts'
import { readJobs } from './job/read-jobs.ts'
import type { TaskHandler } from './job/task.ts'
import { guardedLogger, type Logger, stderrLogger } from './logger.ts'
import type { Metrics } from './metrics/metrics.ts'
import type { ScheduleType } from './schedule/schedule.ts'
import type { Storage } from './storage/storage.ts'
import { random, systemClock } from './system-clock.ts'
import type { Tracing } from './tracing/tracing.ts'
import { heartbeatsUntilDead, heldJobs, lookMs, upkeepMs, maxClockSkewMs, ordinaryHeartbeatMs } from './tuning.ts'
import { invalidValue } from './errors.ts'

/** Options of `createScheduler`. */
export interface SchedulerOptions {
  /** The storage that keeps all jobs and occurrences. The scheduler does not close the storage. */
  readonly storage: Storage
  /**
   * The jobs that this node defines and runs. Default: none. If this node has the handlers of a stored job that is data, this
   * node runs that job too.
   */
  readonly jobs?: readonly Job[]
  /**
   * This node's name, unique among living nodes. A restarted node with the same name takes over the runs of its earlier
   * incarnation at once. Default: a name of the host, the process id and a random part.
   */
  readonly nodeId?: string
  /**
   * Maximum number of threads and processes of isolated tasks on this node, including pooled ones. Further attempts wait for a
   * child before their `taskTimeout` begins. Default: twice the number of processors, at least 4.
   */
  readonly maxChildren?: number
  /**
   * How many occurrences this node runs at once. Further occurrences wait in the storage until any node has a free permit.
   * Default 50.
   */
  readonly maxConcurrentJobs?: number
  /**
   * How many due slots beyond `maxConcurrentJobs` this node may prefetch. At most 10,000; 0 disables prefetch. Default 100.
   *
   * The node prefetches a slot only if it expects a permit for this slot within about 5 ms. So its handlers must be quick. If a
   * prefetched slot has not begun after 100 ms, the node hands the slot back. The node does not prefetch slots of a job in
   * these cases:
   * - The job has a `startRate`.
   * - The `executionTimeout` of the job is below 1 s.
   * - The `onInterrupted` of the job is not `retry`.
   */
  readonly prefetch?: number
  /** Settings for all jobs of this node. A setting of a job, or of a task, replaces the setting here. */
  readonly defaults?: JobSettingsInput
  /**
   * Where the scheduler writes its log; `console` and pino loggers fit. Default: the scheduler writes warnings and errors to
   * stderr. `silentLogger` discards all lines. The scheduler ignores errors of the logger.
   */
  readonly logger?: Logger
  /** Receives the metrics of this scheduler. Default: none. */
  readonly metrics?: Metrics
  /** Traces the runs and requests of this scheduler. Default: none. */
  readonly tracing?: Tracing
  /** The clock of this scheduler. Default: the machine's clock. */
  readonly clock?: Clock
  /**
   * Interval between polls for pending occurrences in the storage. Wake-ups of the storage add further polls. The default
   * depends on the storage:
   * - 1 min if the storage belongs to this process alone
   * - 5 s if the storage sends wake-ups, as Redis does
   * - 1 s for any other storage
   *
   * The node also checks for definitions that other nodes have changed. The period of this check is three poll intervals, or
   * two if the storage sends wake-ups. If the storage belongs to this process alone, the period is one poll interval.
   */
  readonly pollInterval?: DurationInput
  /**
   * A peer declares this node dead after `deadAfter` without a heartbeat, and takes over this node's runs. At least 120 ms.
   * Default 30 s; 50 s on DynamoDB; 6 min if the storage belongs to this process alone.
   *
   * Two intervals of this node derive from `deadAfter`:
   * - The node sends six heartbeats within `deadAfter`, five on DynamoDB, and at least one a minute.
   * - At every third heartbeat, and at least every 15 s, the node searches for runs whose deadline has passed.
   */
  readonly deadAfter?: DurationInput
  /**
   * How long a call, such as `trigger`, `cancel` or `occurrences`, waits for each answer of the storage. After this time, the
   * call rejects with `STORAGE_TIMEOUT`. At least 1 ms. Default 10 s. `start` has no timeout.
   */
  readonly callTimeout?: DurationInput
  /**
   * Signals of the process on which the scheduler shuts down. `true`: SIGTERM and SIGINT. Default: none. After the shutdown,
   * the scheduler lets the process end.
   *
   * - A second signal during the shutdown ends the process at once.
   * - If the process is still alive 1 s after the shutdown, the scheduler sends the first signal again. This signal then ends
   *   the process. If the program also handles the signal, the scheduler does not send it again.
   * - If a closed or replaced storage makes the scheduler shut down, the scheduler sets the exit code 1. If the program has set
   *   an exit code, that code stays.
   */
  readonly handleSignals?: boolean | readonly ShutdownSignal[]
  /**
   * How long a shutdown lets runs continue before the scheduler fires the `AbortSignal`s of their handlers. The option
   * `gracePeriod` of `shutdown` replaces this time. Default 20 s.
   */
  readonly gracePeriod?: DurationInput
  /**
   * How long a shutdown waits for handlers after their `AbortSignal`s have fired. The option `abortGracePeriod` of `shutdown`
   * replaces this time. Default 5 s.
   */
  readonly abortGracePeriod?: DurationInput
  /**
   * Handlers by name, for tasks that name a `handler`. With these handlers, this node runs jobs that are data. Default: none.
   */
  readonly handlers?: Readonly<Record<string, TaskHandler>>
  /**
   * Your own schedule types of stored jobs. You need this option only for a type that the scheduler does not know otherwise.
   * The scheduler also knows these types:
   * - the types of the schedules of `jobs`
   * - the types that `registerScheduleType` has registered
   * - the types of the packages `@jobistemer/ticker-*`: the scheduler imports such a type if a stored schedule needs it
   */
  readonly scheduleTypes?: readonly ScheduleType[]
  /**
   * The release number of this node's build, an integer from 0. Default: none. The definition of the highest release is in
   * force, even if no node of that release lives. Nodes of lower releases follow that definition. To roll back, deploy the
   * earlier definitions with a higher number. Without a number, a replaced definition comes back into force once no living node
   * has its replacement.
   */
  readonly release?: number
}

type Unchanged = 'storage' | 'jobs' | 'nodeId' | 'maxConcurrentJobs' | 'maxChildren' | 'prefetch' | 'scheduleTypes'

/** The checked options of a scheduler, with defaults, with durations in milliseconds, and with derived values. */
export interface CheckedSchedulerOptions extends Required<Pick<SchedulerOptions, Unchanged | 'logger' | 'clock'>> {
  readonly defaults: JobOverrides
  readonly metrics: Metrics | null
  readonly tracing: Tracing | null
  readonly pollIntervalMs: number
  readonly deadAfterMs: number
  /**
   * Whether this node may poll rarely while it has no peers. Only a test can meet all conditions:
   * - The storage serves one process and sends wake-ups.
   * - The clock is virtual.
   * - No option sets `deadAfter`, `pollInterval` or one of the derived `intervals`.
   */
  readonly restsAlone: boolean
  readonly callTimeoutMs: number
  readonly handleSignals: readonly ShutdownSignal[]
  readonly gracePeriodMs: number
  readonly abortGracePeriodMs: number
  readonly handlers: Handlers
  readonly release: number | undefined
  readonly derived: DerivedOptions
}

/** Values of a scheduler that no option sets. */
interface DerivedOptions {
  /** Interval between two heartbeats of this node, in ms. */
  readonly heartbeat: number
  /** Difference between the clocks of node and storage beyond which the node warns, in ms. */
  readonly maxClockSkew: number
  /** Time after which other nodes launch a slot that its assigned node has not launched, in ms. */
  readonly standby: number
  /** Interval between scans for occurrences beyond their deadline, in ms. */
  readonly reapInterval: number
  /** Interval between checks for definitions that other nodes have changed, in ms. */
  readonly definitionInterval: number
  /** Maximum number of data-only jobs that the node holds in memory. */
  readonly heldJobs: number
}

/**
 * Names of the intervals that the scheduler derives from its storage and other options. A test may set these intervals. If a
 * test sets one of them, `restsAlone` is false: the node polls at its usual rate even without peers.
 */
const intervals = ['heartbeat', 'reapInterval', 'definitionInterval'] as const

/**
 * Returns the derived values. If `options` has a member with the key `Symbol.for('jobistemer.<name>')`, this member replaces
 * the derived value of that name. Only tests set such members, which are not part of the API.
 */
function tunedBy<Derived extends Partial<DerivedOptions>>(options: object, derived: Derived): Derived {
  const values = Object.entries(derived).map(([name, value]: [string, number]) => {
    return [name, (options as Readonly<Record<symbol, number>>)[Symbol.for(`jobistemer.${name}`)] ?? value]
  })
  return Object.fromEntries(values) as Derived
}

const optionNames = [
  'storage',
  'jobs',
  'nodeId',
  'maxConcurrentJobs',
  'maxChildren',
  'prefetch',
  'defaults',
  'logger',
  'metrics',
  'tracing',
  'clock',
  'pollInterval',
  'deadAfter',
  'callTimeout',
  'handleSignals',
  'gracePeriod',
  'abortGracePeriod',
  'handlers',
  'scheduleTypes',
  'release',
]

export function readSchedulerOptions(options: SchedulerOptions): CheckedSchedulerOptions {
  readObject(options, '', optionNames)
  const { storage } = options
  if (typeof storage !== 'object' || storage === null || storage.specVersion !== 1) {
    throw invalidValue(
      'storage',
      'is not a storage of protocol version 1',
      storage,
      'Give what memoryStorage(), sqliteStorage() or another adapter makes.',
    )
  }
  const clock = readMethods(orDefault(options.clock, systemClock), 'clock', ['now', 'monotonic', 'setTimer'])
  const defaults = options.defaults === undefined ? {} : readDefaults(options.defaults)
  const isTold = storage.subscribe !== undefined
  const isPrivate = isTold && !storage.capabilities.multiProcess
  const { heartbeatMs: rareHeartbeatMs } = storage.capabilities
  const defaultHeartbeatMs = isPrivate ? upkeepMs : (rareHeartbeatMs ?? ordinaryHeartbeatMs)
  // After `deadAfter`, up to two more heartbeat intervals pass before a peer notices the death of a node. If the storage sets
  // `heartbeatMs`, these intervals are long. `deadAfter` then covers five intervals instead of six, so that peers do not notice
  // a death too late.
  const deadAfterHeartbeats = heartbeatsUntilDead - (rareHeartbeatMs === undefined ? 0 : 1)
  const { deadAfter, pollInterval } = options
  const deadAfterMs = toDurationMs(orDefault(deadAfter, deadAfterHeartbeats * defaultHeartbeatMs), 'deadAfter', {
    min: 120,
  })
  const defaultPollMs = isPrivate ? upkeepMs : isTold ? ordinaryHeartbeatMs : 1000
  const pollIntervalMs = toDurationMs(orDefault(pollInterval, defaultPollMs), 'pollInterval', { min: 10 })
  const givenHeartbeatMs = Math.min(upkeepMs, Math.floor(deadAfterMs / deadAfterHeartbeats))
  const heartbeatMs = deadAfter === undefined ? defaultHeartbeatMs : givenHeartbeatMs
  const { heartbeat } = tunedBy(options, { heartbeat: heartbeatMs })
  const derived: DerivedOptions = {
    heartbeat: heartbeatMs,
    maxClockSkew: maxClockSkewMs,
    standby: lookMs,
    reapInterval: (heartbeatsUntilDead / 2) * Math.min(ordinaryHeartbeatMs, heartbeat),
    definitionInterval: (isPrivate ? 1 : isTold ? 2 : 3) * pollIntervalMs,
    heldJobs,
  }
  const tuned = tunedBy(options, derived)
  const isTuned = intervals.some((name) => tuned[name] !== derived[name])
  const hasPeriod = deadAfter !== undefined || pollInterval !== undefined
  return {
    storage,
    jobs: readJobs(orDefault(options.jobs, [])).map((job) => withDefaultTimezone(job, defaults.timezone)),
    nodeId: options.nodeId === undefined ? uniqueNodeId(clock) : readName(options.nodeId, 'nodeId'),
    maxConcurrentJobs: readInteger(orDefault(options.maxConcurrentJobs, 50), 'maxConcurrentJobs', 1, 100_000),
    maxChildren: readInteger(
      orDefault(options.maxChildren, Math.max(4, 2 * availableParallelism())),
      'maxChildren',
      1,
      10_000,
    ),
    prefetch: readInteger(orDefault(options.prefetch, 100), 'prefetch', 0, 10_000),
    defaults,
    logger: guardedLogger(
      readMethods(orDefault(options.logger, stderrLogger), 'logger', ['debug', 'info', 'warn', 'error']),
    ),
    metrics: readMetrics(options.metrics),
    tracing:
      options.tracing === undefined
        ? null
        : readMethods(options.tracing, 'tracing', ['outside', 'requested', 'started']),
    clock,
    pollIntervalMs,
    deadAfterMs,
    restsAlone: isPrivate && clock.isAuthoritative === true && !hasPeriod && !isTuned,
    callTimeoutMs: toDurationMs(orDefault(options.callTimeout, 10_000), 'callTimeout', { min: 1 }),
    handleSignals: readSignals(orDefault(options.handleSignals, false)),
    gracePeriodMs: toDurationMs(orDefault(options.gracePeriod, 20_000), 'gracePeriod'),
    abortGracePeriodMs: toDurationMs(orDefault(options.abortGracePeriod, 5000), 'abortGracePeriod'),
    handlers: readHandlers(orDefault(options.handlers, {})),
    scheduleTypes: readScheduleTypes(orDefault(options.scheduleTypes, [])),
    release:
      options.release === undefined ? undefined : readInteger(options.release, 'release', 0, Number.MAX_SAFE_INTEGER),
    derived: tuned,
  }
}

function readDefaults(defaults: JobSettingsInput): JobOverrides {
  readObject(defaults, 'defaults', jobSettingNames)
  return readJobSettings(defaults, 'defaults.')
}

function readMetrics(metrics: Metrics | undefined): Metrics | null {
  if (metrics === undefined) return null
  const needed = ['increment', 'observe', 'set', 'removeJob', 'gauges']
  readMethods(metrics, 'metrics', needed)
  return metrics.end === undefined ? metrics : readMethods(metrics, 'metrics', [...needed, 'end'])
}

function readScheduleTypes(types: readonly ScheduleType[]): readonly ScheduleType[] {
  for (const [index, type] of readList(types, 'scheduleTypes').entries()) {
    readMethods(type, `scheduleTypes[${index}]`, ['revive'])
    readName(type.name, `scheduleTypes[${index}].name`)
  }
  return types
}

function readSignals(signals: boolean | readonly ShutdownSignal[]): readonly ShutdownSignal[] {
  if (typeof signals === 'boolean') return signals ? ['SIGTERM', 'SIGINT'] : []
  if (!Array.isArray(signals)) {
    const remedy = "Give true, false or a list of 'SIGTERM', 'SIGINT' and 'SIGHUP'."
    throw invalidValue('handleSignals', 'is neither a boolean nor a list', signals, remedy)
  }
  return readChoices(signals, ['SIGTERM', 'SIGINT', 'SIGHUP'], 'handleSignals')
}

function readHandlers(handlers: Readonly<Record<string, TaskHandler>>): Handlers {
  const checked = new Map<string, TaskHandler>()
  for (const [name, handler] of Object.entries(readRecord(handlers, 'handlers'))) {
    const field = `handlers.${name}`
    const run = readOptionalFunction(handler, field)
    if (run !== undefined) checked.set(readName(name, field), run)
  }
  return checked
}

function uniqueNodeId(clock: Clock): string {
  return `${hostname().slice(0, 200)}:${process.pid}:${uniqueSuffix(clock.random?.() ?? random())}`
}
