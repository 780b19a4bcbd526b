import { SeededRandom } from '@jobistemer/test-kit'

/** Something that is done to the nodes, `atMs` after the faults have begun. */
export type Fault = { readonly atMs: number } & (
  | { readonly kind: 'kill' }
  /** SIGSTOP, and SIGCONT after `forMs`. By itself, a process stops where it holds no lock of the storage. */
  | { readonly kind: 'stop'; readonly forMs: number; readonly beyondTimeout: boolean; readonly by: 'itself' | 'driver' }
  /** Stopped, replaced by a successor of the same name, resumed beside it, killed. */
  | { readonly kind: 'outlive'; readonly beforeMs: number; readonly besideMs: number }
  /** Everything is killed at once, and nothing started for `downMs`. */
  | { readonly kind: 'blackout'; readonly downMs: number }
  /** A node is asked to shut down while it works. */
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'trigger' | 'replay' }
  /** A live occurrence is canceled; `force`: over the head of its owner. */
  | { readonly kind: 'cancel'; readonly force: boolean }
  | { readonly kind: 'pause'; readonly forMs: number }
  /** A node at work is killed. After `aheadMs` the server crashes, and the storage has lost all node records. */
  | { readonly kind: 'kill-and-crash'; readonly aheadMs: number; readonly downMs: number }
  /** A node's clock is set, and set back after `forMs` where it cannot stay so. */
  | { readonly kind: 'jump'; readonly forMs: number }
  | StorageFault
)

/** Something that is done to the storage's server, or to the network in front of it. */
export type StorageFault =
  /** All connections end, once. */
  | { readonly kind: 'break' }
  /** Answers get lost for a while, then all connections end. */
  | { readonly kind: 'lose-answers'; readonly forMs: number }
  /** Nobody reaches it for a while. */
  | { readonly kind: 'cut'; readonly forMs: number }
  /** SIGKILL, and after a while a start on the same data. */
  | { readonly kind: 'restart'; readonly downMs: number }
  /** The same, and the storage has lost all node records. Without a server, it only loses them. */
  | { readonly kind: 'forget-nodes'; readonly downMs: number }
  /** SIGKILL, and a start on the data as they were `forMs` before. */
  | { readonly kind: 'lose-writes'; readonly forMs: number }

export type FaultKind = Fault['kind']

/** How many of each kind. */
export interface FaultCounts {
  /** Single kills. Blackouts kill every node besides, and each outlived process is killed in the end. */
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
  /** Of storages with a server. */
  readonly breakConnections: number
  readonly loseAnswers: number
  readonly cut: number
  readonly restart: number
  /** Kills of a node, each followed by a crash of the server and a loss of all node records. */
  readonly killAndCrash: number
  /** Of runs in which the storage loses acknowledged writes. */
  readonly loseWrites: number
  /** Of runs with wrong clocks. */
  readonly jump: number
}

export interface FaultPlanOptions {
  readonly seed: string
  /** How long the faults last. */
  readonly durationMs: number
  readonly counts: FaultCounts
}

// The longest deadline of the workload, and the 10 s that the reaper grants an owner beyond it: an owner that is stopped
// for so long loses what it holds.
const beyondTimeoutMs = 15_500

// What a stopped process needs after it, so that it does something before the faults end.
const aftermathMs = 1500

const beforeEndOfBlackoutMs = 5000

// A restart of the server, with the time that it needs to come up.
const beforeEndOfOutageMs = 6000

// The longest way from a kill to the end of the crash that follows.
const crashBeforeEndMs = 1000

/** The usual mixture, for so many kills in so long a time. */
export function usualCounts(options: {
  readonly kills: number
  readonly nodes: number
  readonly durationMs: number
  /** The storage has a server. */
  readonly hasServer: boolean
  /** Clocks are wrong. */
  readonly isSkewed: boolean
  /** The storage loses acknowledged writes. */
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

/** When to do what, in the order of time: the same for the same options. */
export function planFaults({ seed, durationMs, counts }: FaultPlanOptions): readonly Fault[] {
  const random = new SeededRandom(`${seed}:faults`)
  const faults: Fault[] = []
  /** At random moments, of which the last is `beforeEndMs` before the end. */
  const spread = (count: number, beforeEndMs: number, make: (atMs: number, index: number) => Fault): void => {
    const lengthMs = Math.max(0, durationMs - beforeEndMs)
    for (let index = 0; index < count; index++) faults.push(make(random.between(0, lengthMs), index))
  }
  // One that is stopped by the driver may hold up everybody, and then nobody takes anything from it.
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
    // The last one ends with the faults: what it leaves has to be taken over while no other fault comes.
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

/** A moment outside of the stops, if one is found soon: a blackout would end them before their time. */
function besides(stops: readonly Extract<Fault, { kind: 'stop' }>[], first: number, another: () => number): number {
  let moment = first
  for (let tries = 0; tries < 50; tries++) {
    if (!stops.some(({ atMs, forMs }) => moment >= atMs && moment <= atMs + forMs)) break
    moment = another()
  }
  return moment
}
