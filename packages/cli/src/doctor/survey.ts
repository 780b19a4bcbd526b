import { type Client, type Clock, type NodeCapabilities, readNodeCapabilities } from '@jobistemer/core'
import { type JobRecord, type OccurrenceRecord, type Storage, unreadablePartOf } from '@jobistemer/core/storage'
import type { PostgresInspection } from '../storage/open-storage.ts'
import { hasEnded, type ObservedNode, observeNodes } from '../observe-nodes.ts'

/** The data that all checks of `doctor` examine. `doctor` reads these data once. */
export interface Survey {
  readonly storage: Storage
  readonly client: Client
  /**
   * The time at which `doctor` reads the data, in epoch milliseconds: the time of the storage's clock, or of this
   * machine's clock if the storage has no clock.
   */
  readonly now: number
  /** How far this machine's clock is ahead of the storage's clock, in ms; `null` if the storage has no clock. */
  readonly clockOffsetMs: number | null
  /** The inspection of a PostgreSQL server; `null` for other storages. */
  readonly postgres: PostgresInspection | null
  /** Warnings that the storage logged when it was opened. */
  readonly warnings: readonly { readonly fields: object; readonly message: string }[]
  readonly nodes: readonly ObservedNode[]
  /**
   * Nodes that have not shut down, and that the observation did not find dead. If the observation was too short to decide
   * whether a node lives, the list contains the node.
   */
  readonly living: readonly LivingNode[]
  readonly jobs: readonly JobRecord[]
  /** Jobs whose stored row is damaged. They are not among `jobs`. */
  readonly unreadable: readonly JobRecord[]
  /** `true` if `doctor` reached its maximum number of jobs and did not read the other jobs. */
  readonly isPartial: boolean
  readonly running: readonly OccurrenceRecord[]
  readonly pending: readonly OccurrenceRecord[]
  readonly queued: readonly OccurrenceRecord[]
  readonly settings: DoctorSettings
  readonly signal: AbortSignal
}

/** A living node and its capabilities. The capabilities are `null` if the node's profile is missing. */
export interface LivingNode extends ObservedNode {
  readonly capabilities: NodeCapabilities | null
}

/** The settings of `doctor` that come from the command line. */
export interface DoctorSettings {
  /** Number of consecutive failed runs from which `doctor` reports an error. */
  readonly failures: number
  /** Maximum number of jobs that `doctor` reads, and of live runs that it reads in each state. */
  readonly most: number
  /** Maximum time in ms for which `doctor` observes the heartbeats of nodes. */
  readonly observeMs: number
}

/** Reads the data that all checks of `doctor` examine. */
export async function survey(
  storage: Storage,
  {
    client,
    clock,
    settings,
    postgres,
    warnings,
    signal,
  }: {
    readonly client: Client
    readonly clock: Clock
    readonly settings: DoctorSettings
    readonly postgres: PostgresInspection | null
    readonly warnings: readonly { readonly fields: object; readonly message: string }[]
    readonly signal: AbortSignal
  },
): Promise<Survey> {
  const observing = observeNodes(storage, { clock, forMs: settings.observeMs, signal })
  const [clockOffsetMs, nodes, { jobs: found, isPartial }, running, pending, queued] = await Promise.all([
    offsetOf(storage, clock),
    observing,
    allJobs(storage, settings.most),
    liveRuns(storage, 'running', settings.most),
    liveRuns(storage, 'pending', settings.most),
    liveRuns(storage, 'queued', settings.most),
  ])
  return {
    storage,
    client,
    now: clock.now() - (clockOffsetMs ?? 0),
    clockOffsetMs,
    postgres,
    warnings,
    nodes,
    living: await livingOf(storage, nodes),
    jobs: found.filter((job) => unreadablePartOf(job) === null),
    unreadable: found.filter((job) => unreadablePartOf(job) !== null),
    isPartial,
    running,
    pending,
    queued,
    settings,
    signal,
  }
}

async function livingOf(storage: Storage, nodes: readonly ObservedNode[]): Promise<readonly LivingNode[]> {
  const living = nodes.filter(({ record, isAlive }) => isAlive !== false && !hasEnded(record))
  const profilesOf = living.map(({ record }) => record.incarnation)
  const { profiles } = await storage.heartbeat({ now: 0, own: null, remove: [], profilesOf })
  return living.map((node, index) => {
    const profile = profiles[index] ?? null
    return { ...node, capabilities: profile === null ? null : readNodeCapabilities(profile) }
  })
}

async function offsetOf(storage: Storage, clock: Clock): Promise<number | null> {
  if (storage.serverTime === undefined) return null
  const before = clock.monotonic()
  const askedAt = clock.now()
  const answer = await storage.serverTime()
  // The storage read its clock at an unknown instant between the call and the answer. So the offset refers to the middle of
  // this interval, and its error is at most half the length of the interval.
  return Math.round(askedAt + (clock.monotonic() - before) / 2 - answer)
}

async function allJobs(
  storage: Storage,
  most: number,
): Promise<{ readonly jobs: readonly JobRecord[]; readonly isPartial: boolean }> {
  const jobs: JobRecord[] = []
  let cursor: string | null = null
  do {
    const page = await storage.listJobs({ limit: Math.min(500, most - jobs.length), cursor })
    jobs.push(...page.items)
    cursor = page.cursor
  } while (cursor !== null && jobs.length < most)
  jobs.sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0))
  return { jobs, isPartial: cursor !== null }
}

async function liveRuns(
  storage: Storage,
  state: 'running' | 'pending' | 'queued',
  most: number,
): Promise<readonly OccurrenceRecord[]> {
  const runs: OccurrenceRecord[] = []
  let cursor: string | null = null
  do {
    const limit = Math.min(500, most - runs.length)
    const page = await storage.listOccurrences({ kind: 'live', state, runs: false, limit, cursor })
    runs.push(...page.items)
    cursor = page.cursor
  } while (cursor !== null && runs.length < most)
  return runs
}
