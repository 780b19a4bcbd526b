import { SeededRandom } from '@jobistemer/test-kit'

/** A fault of the nodes, `atMs` after the faults have begun. */
export type Fault = { readonly atMs: number } & (
  | { readonly kind: 'kill' }
  /** SIGSTOP, and SIGCONT after `forMs`. With `by: 'itself'`, the process stops where it holds no lock of the storage. */
  | { readonly kind: 'stop'; readonly forMs: number; readonly beyondTimeout: boolean; readonly by: 'itself' | 'driver' }
  /** A process is stopped, gets a successor of the same name, resumes beside it, and is killed. */
  | { readonly kind: 'outlive'; readonly beforeMs: number; readonly besideMs: number }
  /** All processes are killed at once, and none is started for `downMs`. */
  | { readonly kind: 'blackout'; readonly downMs: number }
  /** A node shuts down while it works. */
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'trigger' | 'replay' }
  /** A live occurrence is canceled; `force`: without its owner. */
  | { readonly kind: 'cancel'; readonly force: boolean }
  | { readonly kind: 'pause'; readonly forMs: number }
  /** A working node is killed. After `aheadMs` the server crashes, and the storage loses all node records. */
  | { readonly kind: 'kill-and-crash'; readonly aheadMs: number; readonly downMs: number }
  /** A node's clock is set. If it cannot stay so, it is set back after `forMs`. */
  | { readonly kind: 'jump'; readonly forMs: number }
  | StorageFault
)

/** A fault of the storage's server, or of the network in front of it. */
export type StorageFault =
  /** All connections end once. */
  | { readonly kind: 'break' }
  /** Answers get lost for `forMs`, then all connections end. */
  | { readonly kind: 'lose-answers'; readonly forMs: number }
  /** No client reaches the server for `forMs`. */
  | { readonly kind: 'cut'; readonly forMs: number }
  /** SIGKILL, and after `downMs` a start on the same data. */
  | { readonly kind: 'restart'; readonly downMs: number }
  /** Like `restart`, but the storage also loses all node records. Without a server, it only loses them. */
  | { readonly kind: 'forget-nodes'; readonly downMs: number }
  /** SIGKILL, and a start on the data as they were `forMs` before. */
  | { readonly kind: 'lose-writes'; readonly forMs: number }

export type FaultKind = Fault['kind']

/** Number of faults of each kind. */
export interface FaultCounts {
  /** Single kills. Blackouts also kill every node, and each outlived process is killed at its end. */
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
  /** For storages with a server. */
  readonly breakConnections: number
  readonly loseAnswers: number
  readonly cut: number
  readonly restart: number
  /** Kills of a node, each followed by a crash of the server and a loss of all node records. */
  readonly killAndCrash: number
  /** For runs in which the storage loses acknowledged writes. */
  readonly loseWrites: number
  /** For runs with wrong clocks. */
  readonly jump: number
}

export interface FaultPlanOptions {
  readonly seed: string
  /** Duration of the faults. */
  readonly durationMs: number
  readonly counts: FaultCounts
}

// The longest deadline of the workload, and the 10 s that the reaper grants an owner beyond it, in ms. An owner that is stopped
// for this time loses its occurrences.
const beyondTimeoutMs = 15_500

// Time after a stop in which the process can act before the faults end, in ms.
const aftermathMs = 1500

const beforeEndOfBlackoutMs = 5000

// Time that a restart of the server needs, in ms.
const beforeEndOfOutageMs = 6000

// Maximum time from a kill to the end of the crash that follows, in ms.
const crashBeforeEndMs = 1000

/** The usual mixture of faults for a number of kills and a duration. */
export function usualCounts(options: {
  readonly kills: number
  readonly nodes: number
  readonly durationMs: number
  /** Whether the storage has a server. */
  readonly hasServer: boolean
  /** Whether clocks are wrong. */
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

/** Plans the faults in the order of time. The same options give the same plan. */
export function planFaults({ seed, durationMs, counts }: FaultPlanOptions): readonly Fault[] {
  const random = new SeededRandom(`${seed}:faults`)
  const faults: Fault[] = []
  /** At random moments, at the latest `beforeEndMs` before the end. */
  const spread = (count: number, beforeEndMs: number, make: (atMs: number, index: number) => Fault): void => {
    const lengthMs = Math.max(0, durationMs - beforeEndMs)
    for (let index = 0; index < count; index++) faults.push(make(random.between(0, lengthMs), index))
  }
  // A process that the driver stops may hold a lock. Other nodes then wait for it, and none takes its occurrences.
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
    // The last crash ends with the faults. Nodes must take over its runs while no other fault happens.
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

/** A moment outside of the stops, if a few attempts find one: a blackout would end the stops early. */
function besides(stops: readonly Extract<Fault, { kind: 'stop' }>[], first: number, another: () => number): number {
  let moment = first
  for (let tries = 0; tries < 50; tries++) {
    if (!stops.some(({ atMs, forMs }) => moment >= atMs && moment <= atMs + forMs)) break
    moment = another()
  }
  return moment
}
