import { SeededRandom } from '@jobistemer/storage-conformance/seeded-random'

/** A fault of the nodes, `atMs` after the beginning of the fault phase. */
export type Fault = { readonly atMs: number } & (
  | { readonly kind: 'kill' }
  /**
   * A process receives SIGSTOP, and SIGCONT after `forMs`.
   *
   * - `beyondTimeout`: whether the stop lasts until other nodes have reaped the runs of the stopped process.
   * - `by`: who stops the process. With `itself`, the process stops itself while it holds no lock of the storage.
   */
  | { readonly kind: 'stop'; readonly forMs: number; readonly beyondTimeout: boolean; readonly by: 'itself' | 'driver' }
  /**
   * The driver stops a process, and starts a successor with the same node name. `beforeMs` after the successor's start,
   * the driver resumes the stopped process. The driver kills the resumed process `besideMs` later.
   */
  | { readonly kind: 'outlive'; readonly beforeMs: number; readonly besideMs: number }
  /** The driver kills all processes at once, and starts none for `downMs`. */
  | { readonly kind: 'blackout'; readonly downMs: number }
  /** A working node shuts down. */
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'trigger' | 'replay' }
  /** A user cancels a live occurrence. With `force` the cancel does not wait for the owner. */
  | { readonly kind: 'cancel'; readonly force: boolean }
  | { readonly kind: 'pause'; readonly forMs: number }
  /**
   * The driver kills a working node. After `aheadMs`, the server crashes, and the storage loses all node records. The
   * server starts again after `downMs`.
   */
  | { readonly kind: 'kill-and-crash'; readonly aheadMs: number; readonly downMs: number }
  /** The clock of a node is set. If the engines follow their own clocks, the driver sets the clock back after `forMs`. */
  | { readonly kind: 'jump'; readonly forMs: number }
  | StorageFault
)

/** A fault of the storage's server, or of the network in front of it. */
export type StorageFault =
  /** All connections to the server break once. */
  | { readonly kind: 'break' }
  /** Answers of the server get lost for `forMs`, and then all connections break. */
  | { readonly kind: 'lose-answers'; readonly forMs: number }
  /** The network in front of the server is cut for `forMs`: no client reaches the server. */
  | { readonly kind: 'cut'; readonly forMs: number }
  /** The server receives SIGKILL, and starts after `downMs` on the same data. */
  | { readonly kind: 'restart'; readonly downMs: number }
  /** The server restarts, and the storage loses all node records. Without a server, the storage only loses the records. */
  | { readonly kind: 'forget-nodes'; readonly downMs: number }
  /** The server receives SIGKILL, and starts with the data that it had `forMs` earlier. */
  | { readonly kind: 'lose-writes'; readonly forMs: number }

export type FaultKind = Fault['kind']

/** Planned number of faults of each kind. */
export interface FaultCounts {
  /** Number of single kills. Blackouts and faults of the kind `outlive` add further kills. */
  readonly kill: number
  readonly shortStop: number
  readonly longStop: number
  readonly outlive: number
  readonly blackout: number
  readonly shutdown: number
  readonly trigger: number
  readonly replay: number
  readonly cancel: number
  readonly forcedCancel: number
  readonly pause: number
  /** Number of times that all connections break. Only storages with a server have this fault. */
  readonly breakConnections: number
  readonly loseAnswers: number
  readonly cut: number
  readonly restart: number
  /** Number of kills of a node that are followed by a crash of the server, which loses all node records. */
  readonly killAndCrash: number
  /** Number of server crashes in which the storage loses acknowledged writes. */
  readonly loseWrites: number
  /** Number of clock jumps, for runs with wrong clocks. */
  readonly jump: number
}

export interface FaultPlanOptions {
  readonly seed: string
  /** Duration of the fault phase, in ms. */
  readonly durationMs: number
  readonly counts: FaultCounts
}

// Duration of a long stop, in ms: the workload's longest deadline plus the 10 s after which the reaper acts. A stopped
// owner then loses its runs.
const beyondTimeoutMs = 15_500

// Minimum time between a long stop and the end of the faults, in ms, so that the resumed process can act.
const aftermathMs = 1500

const beforeEndOfBlackoutMs = 5000

// Minimum time between the start of an outage and the end of the faults, in ms, so that the server can restart.
const beforeEndOfOutageMs = 6000

// Time from the last kill of the kind `kill-and-crash` to the end of the fault phase, in ms.
const crashBeforeEndMs = 1000

/** Returns the default numbers of faults for a number of kills and a duration. */
export function usualCounts(options: {
  readonly kills: number
  readonly nodes: number
  readonly durationMs: number
  /** Whether the storage has a server. */
  readonly hasServer: boolean
  /** Whether the clocks of the nodes are wrong. */
  readonly isSkewed: boolean
  /** Whether the storage loses acknowledged writes. */
  readonly losesWrites?: boolean
}): FaultCounts {
  const { kills, nodes, durationMs, hasServer, isSkewed, losesWrites = false } = options
  const seconds = durationMs / 1000
  const ofServer = (everySeconds: number): number => (hasServer ? Math.max(1, Math.floor(seconds / everySeconds)) : 0)
  const blackout = kills >= 20 ? Math.max(1, Math.floor(kills / 60)) : 0
  const outlive = Math.floor(kills / 15)
  const killAndCrash = Math.ceil(kills / 25)
  return {
    kill: Math.max(0, kills - blackout * nodes - outlive - killAndCrash),
    blackout,
    outlive,
    shortStop: Math.ceil(kills / 10),
    longStop: durationMs >= beyondTimeoutMs + 2 * aftermathMs ? Math.max(1, Math.floor(seconds / 25)) : 0,
    shutdown: Math.floor(kills / 20),
    trigger: Math.ceil(seconds * 1.5),
    replay: Math.ceil(seconds * 0.2),
    cancel: Math.ceil(seconds * 0.3),
    forcedCancel: Math.ceil(seconds * 0.15),
    pause: Math.ceil(seconds * 0.2),
    breakConnections: ofServer(15),
    loseAnswers: ofServer(20),
    cut: ofServer(30),
    restart: ofServer(40),
    killAndCrash,
    loseWrites: losesWrites ? Math.max(1, Math.floor(seconds / 8)) : 0,
    jump: isSkewed ? Math.max(1, Math.floor(seconds / 5)) : 0,
  }
}

/** Plans the faults in the order of time. The same options result in the same plan. */
export function planFaults({ seed, durationMs, counts }: FaultPlanOptions): readonly Fault[] {
  const random = new SeededRandom(`${seed}:faults`)
  const faults: Fault[] = []
  /** Plans `count` faults at random moments, at the latest `beforeEndMs` before the end of the fault phase. */
  const spread = (count: number, beforeEndMs: number, make: (atMs: number, index: number) => Fault): void => {
    const lengthMs = Math.max(0, durationMs - beforeEndMs)
    for (let index = 0; index < count; index++) faults.push(make(random.between(0, lengthMs), index))
  }
  // A process that the driver stops may hold a storage lock. Other nodes then wait for the lock, and cannot reap the
  // runs of the stopped process. So in every second long stop, the process stops itself while it holds no lock.
  spread(counts.longStop, beyondTimeoutMs + aftermathMs, (atMs, index) => ({
    atMs,
    kind: 'stop',
    forMs: beyondTimeoutMs + random.between(0, 1000),
    beyondTimeout: true,
    by: index % 2 === 0 ? 'itself' : 'driver',
  }))
  const longStops = faults.filter((fault) => fault.kind === 'stop')
  spread(counts.blackout, beforeEndOfBlackoutMs, (atMs) => ({
    atMs: besides(longStops, atMs, () => random.between(0, Math.max(0, durationMs - beforeEndOfBlackoutMs))),
    kind: 'blackout',
    downMs: random.between(2000, 4500),
  }))
  spread(counts.kill, 0, (atMs) => ({ atMs, kind: 'kill' }))
  spread(counts.shortStop, 0, (atMs) => ({
    atMs,
    kind: 'stop',
    forMs: random.between(200, 3000),
    beyondTimeout: false,
    by: 'driver',
  }))
  spread(counts.outlive, 3000, (atMs) => ({
    atMs,
    kind: 'outlive',
    beforeMs: random.between(0, 600),
    besideMs: random.between(300, 1500),
  }))
  spread(counts.shutdown, 0, (atMs) => ({ atMs, kind: 'shutdown' }))
  spread(counts.trigger, 0, (atMs) => ({ atMs, kind: 'trigger' }))
  spread(counts.replay, 0, (atMs) => ({ atMs, kind: 'replay' }))
  spread(counts.cancel, 0, (atMs) => ({ atMs, kind: 'cancel', force: false }))
  spread(counts.forcedCancel, 0, (atMs) => ({ atMs, kind: 'cancel', force: true }))
  spread(counts.pause, 0, (atMs) => ({ atMs, kind: 'pause', forMs: random.between(500, 2500) }))
  spread(counts.breakConnections, 0, (atMs) => ({ atMs, kind: 'break' }))
  spread(counts.loseAnswers, 1500, (atMs) => ({ atMs, kind: 'lose-answers', forMs: random.between(300, 1500) }))
  spread(counts.cut, beforeEndOfOutageMs, (atMs) => ({ atMs, kind: 'cut', forMs: random.between(1000, 4000) }))
  spread(counts.restart, beforeEndOfOutageMs, (atMs) => ({ atMs, kind: 'restart', downMs: random.between(100, 3000) }))
  spread(counts.killAndCrash, beforeEndOfOutageMs, (atMs, index) => ({
    // The last crash happens at the end of the fault phase. After it no other fault happens, and nodes must take over
    // the runs of the killed node.
    atMs: index === 0 ? Math.max(0, durationMs - crashBeforeEndMs) : atMs,
    kind: 'kill-and-crash',
    aheadMs: random.between(0, 1000),
    downMs: random.between(100, 3000),
  }))
  spread(counts.loseWrites, beforeEndOfOutageMs, (atMs) => ({
    atMs,
    kind: 'lose-writes',
    forMs: random.between(1000, 3000),
  }))
  spread(counts.jump, 0, (atMs) => ({ atMs, kind: 'jump', forMs: random.between(500, 3000) }))
  return faults.sort((one, other) => one.atMs - other.atMs)
}

/**
 * Returns a random moment outside of the periods in which processes are stopped, or any moment if 50 attempts find none
 * outside. Blackouts need such a moment, because a blackout during a stop would kill the stopped process.
 */
function besides(stops: readonly Extract<Fault, { kind: 'stop' }>[], first: number, another: () => number): number {
  let moment = first
  for (let tries = 0; tries < 50; tries++) {
    if (!stops.some(({ atMs, forMs }) => moment >= atMs && moment <= atMs + forMs)) break
    moment = another()
  }
  return moment
}
