import { availableParallelism, hostname } from 'node:os'
import type { Clock } from './clock.ts'
import { jobSettingNames, readJobSettings } from './configuration/read-settings.ts'
import {
  orDefault,
  readChoice,
  readInteger,
  readList,
  readMethods,
  readName,
  readObject,
  readOptionalFunction,
  readRecord,
} from './configuration/read-value.ts'
import type { JobOverrides, JobSettingsInput } from './configuration/settings.ts'
import { type DurationInput, toDurationMs } from './duration.ts'
import { uniqueSuffix } from './engine/runtime/unique-suffix.ts'
import { JobistemerError, printValue } from './errors.ts'
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
import { defaultDeadAfterHeartbeats, fewestHeartbeats, longestTimerMs, toldPollMs } from './tuning.ts'

/** What `createScheduler` takes. */
export interface SchedulerOptions {
  /** Where everything is kept. The scheduler does not close it. */
  readonly storage: Storage
  /** What this node defines and runs, beside jobs that are data. Default: none. */
  readonly jobs?: readonly Job[]
  /**
   * This node's name, unique among nodes that live at once. Give the same one after a restart, and the node settles at
   * once what its earlier life left running. Default: host, process and a random part.
   */
  readonly nodeId?: string
  /**
   * How many threads and processes of isolated tasks live at once on this node, those that are kept for further attempts
   * included; the attempts beyond wait, and their `taskTimeout` does not begin before. Default: twice the number of
   * processors, at least 4.
   */
  readonly maxChildren?: number
  /** How many occurrences this node runs at once; the rest waits in the storage for any node. Default 50. */
  readonly maxConcurrentJobs?: number
  /**
   * How many due slots beyond `maxConcurrentJobs` this node may take ahead while its handlers are quick, so that each
   * begins within about 5 ms; what has to wait for 100 ms is handed back. Jobs whose `executionTimeout` is below a
   * second are never taken ahead. 0: none; at most 10,000. Default 100.
   */
  readonly prefetch?: number
  /** Settings for all jobs, which each job and task can override. */
  readonly defaults?: JobSettingsInput
  /** Default: warnings and errors go to stderr; `silentLogger` silences. `console` and pino fit. One that throws is ignored. */
  readonly logger?: Logger
  /** Where metrics go. Default: nowhere. */
  readonly metrics?: Metrics
  /** What follows runs and requests, for traces. Default: nothing. */
  readonly tracing?: Tracing
  /** Default: the machine's. */
  readonly clock?: Clock
  /**
   * How often to look for work that other nodes left in the storage, beside what the storage tells of it. Default 1 s; 5 s
   * where it sends wake-ups, as Redis does; 1 min where the storage belongs to this process alone.
   */
  readonly pollInterval?: DurationInput
  /** How often to look for occurrences beyond their deadline. Default 15 s. */
  readonly reapInterval?: DurationInput
  /**
   * How often this node says in the storage that it lives. At least 20 ms. Default: what suits the storage, 5 s, and 10 s
   * on DynamoDB; 1 min where the storage belongs to this process alone.
   */
  readonly heartbeat?: DurationInput
  /**
   * When the others have heard nothing of this node for so long, each by its own clock, it is dead for them, and they take
   * over what it ran. At least four heartbeats. Default: six heartbeats, 30 s; five on DynamoDB, 50 s.
   */
  readonly deadAfter?: DurationInput
  /**
   * How overdue a slot is when other nodes launch it in place of the node that goes first for its job. At least 10 ms.
   * Default 1 s.
   */
  readonly standby?: DurationInput
  /**
   * How often to look for definitions that other nodes have changed, beside what the storage tells of it. Default 3 s; 10 s
   * where it sends wake-ups, as Redis does; 1 min where the storage belongs to this process alone.
   */
  readonly definitionInterval?: DurationInput
  /**
   * How many jobs that are data alone this node holds in its memory. When more are stored that it can run, it looks up those
   * that come due, and lets go the rest: some events and gauges then know only the jobs that it holds. Has no effect on
   * DynamoDB, where all are held. 0 to 10,000,000. Default 5,000.
   */
  readonly heldJobs?: number
  /**
   * How long a call from outside (`trigger`, `cancel`, `occurrences` …) waits for each answer of the storage before it
   * rejects with `STORAGE_TIMEOUT`. At least 1 ms. `start` waits as long as it takes. Default 10 s.
   */
  readonly callTimeout?: DurationInput
  /**
   * Report it (the event `clock.skewed`, a warning) when this node's clock is farther off than this. Only where the
   * storage has a clock, which the engine follows in any case. A start at which the two clocks differ by more, and by
   * more than 5 s, waits 15 s for the storage's to be confirmed. Default 1 s.
   */
  readonly maxClockSkew?: DurationInput
  /**
   * Shut down on these signals, and end the process then: one that a connection or a server still holds after a second is
   * ended as the signal would have, unless the program handles that signal too. A second signal ends it at once. Should
   * the scheduler shut down because its storage is gone for good, the process has the exit code 1 when it ends by itself,
   * unless the program has set another. `true`: SIGTERM and SIGINT. Default: none.
   */
  readonly handleSignals?: boolean | readonly ShutdownSignal[]
  /** How long a shutdown lets running work go on before signals fire, unless the call says otherwise. Default 20 s. */
  readonly gracePeriod?: DurationInput
  /** How long handlers may take to stop then, unless the call says otherwise. Default 5 s. */
  readonly abortGracePeriod?: DurationInput
  /** What does the work of tasks that name a `handler`, by that name: with it, this node runs jobs that are data. */
  readonly handlers?: Readonly<Record<string, TaskHandler>>
  /**
   * Types of schedules of your own that the storage may hold and that none of `jobs` has. Not needed for those of the
   * packages `@jobistemer/ticker-*`, which are imported when a stored schedule asks for them, and for those that
   * `registerScheduleType` was told of.
   */
  readonly scheduleTypes?: readonly ScheduleType[]
  /**
   * The number of this node's build, from 0: the higher one decides which definition of a job is in force, whatever lives,
   * and a node of a lower one follows. To go back, give the earlier definitions a higher number. Default: none; then a
   * definition that was replaced is back in force once no living node has the one that replaced it.
   */
  readonly release?: number
}

export interface CheckedSchedulerOptions {
  readonly storage: Storage
  readonly jobs: readonly Job[]
  readonly nodeId: string
  readonly maxConcurrentJobs: number
  readonly maxChildren: number
  readonly prefetch: number
  readonly defaults: JobOverrides
  readonly logger: Logger
  readonly metrics: Metrics | null
  readonly tracing: Tracing | null
  readonly clock: Clock
  readonly pollIntervalMs: number
  readonly reapIntervalMs: number
  readonly heartbeatMs: number
  readonly deadAfterMs: number
  /** Whether periodic looks are rare while no other node is there: wake-ups tell of everything, and time is virtual. */
  readonly restsAlone: boolean
  readonly standbyMs: number
  readonly definitionIntervalMs: number
  readonly heldJobs: number
  readonly callTimeoutMs: number
  readonly maxClockSkewMs: number
  readonly handleSignals: readonly ShutdownSignal[]
  readonly gracePeriodMs: number
  readonly abortGracePeriodMs: number
  readonly handlers: Handlers
  readonly scheduleTypes: readonly ScheduleType[]
  readonly release: number | undefined
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
  'reapInterval',
  'heartbeat',
  'deadAfter',
  'standby',
  'definitionInterval',
  'heldJobs',
  'callTimeout',
  'maxClockSkew',
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
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `storage is not a storage of protocol version 1: ${printValue(storage)}.`,
      field: 'storage',
      value: storage,
      remedy: 'Give what memoryStorage(), sqliteStorage() or another adapter makes.',
    })
  }
  const clock = readMethods(orDefault(options.clock, systemClock), 'clock', ['now', 'monotonic', 'setTimer'])
  const defaults = options.defaults === undefined ? {} : readDefaults(options.defaults)
  const { heartbeatMs: rareHeartbeatMs } = storage.capabilities
  const defaultHeartbeatMs = rareHeartbeatMs ?? 5000
  // A death is noticed up to two heartbeats late, so rare heartbeats have one fewer.
  const deadAfterHeartbeats = defaultDeadAfterHeartbeats - (rareHeartbeatMs === undefined ? 0 : 1)
  const isTold = storage.subscribe !== undefined
  const isPrivate = isTold && !storage.capabilities.multiProcess
  const defaultPollMs = isPrivate ? longestTimerMs : isTold ? toldPollMs : 1000
  const defaultDefinitionMs = isPrivate ? longestTimerMs : isTold ? 2 * toldPollMs : 3000
  const { heartbeat, deadAfter, pollInterval, reapInterval, definitionInterval } = options
  const periods = [heartbeat, deadAfter, pollInterval, reapInterval, definitionInterval]
  const heartbeatMs = toDurationMs(
    orDefault(options.heartbeat, isPrivate ? longestTimerMs : defaultHeartbeatMs),
    'heartbeat',
    {
      min: 20,
    },
  )
  return {
    storage,
    jobs: readJobs(orDefault(options.jobs, [])).map((job) => withDefaultTimezone(job, defaults.timezone)),
    nodeId: options.nodeId === undefined ? uniqueNodeId(clock) : readName(options.nodeId, 'nodeId'),
    maxConcurrentJobs: readInteger(orDefault(options.maxConcurrentJobs, 50), 'maxConcurrentJobs', 1, 100_000),
    maxChildren: readInteger(orDefault(options.maxChildren, defaultChildren()), 'maxChildren', 1, 10_000),
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
    pollIntervalMs: toDurationMs(orDefault(options.pollInterval, defaultPollMs), 'pollInterval', { min: 10 }),
    reapIntervalMs: toDurationMs(orDefault(options.reapInterval, 15_000), 'reapInterval', { min: 10 }),
    heartbeatMs,
    deadAfterMs: toDurationMs(orDefault(options.deadAfter, deadAfterHeartbeats * heartbeatMs), 'deadAfter', {
      min: fewestHeartbeats * heartbeatMs,
    }),
    restsAlone: isPrivate && clock.isAuthoritative === true && periods.every((period) => period === undefined),
    standbyMs: toDurationMs(orDefault(options.standby, 1000), 'standby', { min: 10 }),
    definitionIntervalMs: toDurationMs(
      orDefault(options.definitionInterval, defaultDefinitionMs),
      'definitionInterval',
      { min: 10 },
    ),
    heldJobs: readInteger(orDefault(options.heldJobs, 5000), 'heldJobs', 0, 10_000_000),
    callTimeoutMs: toDurationMs(orDefault(options.callTimeout, 10_000), 'callTimeout', { min: 1 }),
    maxClockSkewMs: toDurationMs(orDefault(options.maxClockSkew, 1000), 'maxClockSkew'),
    handleSignals: readSignals(orDefault(options.handleSignals, false)),
    gracePeriodMs: toDurationMs(orDefault(options.gracePeriod, 20_000), 'gracePeriod'),
    abortGracePeriodMs: toDurationMs(orDefault(options.abortGracePeriod, 5000), 'abortGracePeriod'),
    handlers: readHandlers(orDefault(options.handlers, {})),
    scheduleTypes: readScheduleTypes(orDefault(options.scheduleTypes, [])),
    release:
      options.release === undefined ? undefined : readInteger(options.release, 'release', 0, Number.MAX_SAFE_INTEGER),
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
  return readList(signals, 'handleSignals').map((signal, index) =>
    readChoice(signal, ['SIGTERM', 'SIGINT', 'SIGHUP'], `handleSignals[${index}]`),
  )
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

function defaultChildren(): number {
  return Math.max(4, 2 * availableParallelism())
}

function uniqueNodeId(clock: Clock): string {
  return `${hostname().slice(0, 200)}:${process.pid}:${uniqueSuffix(clock.random?.() ?? random())}`
}
