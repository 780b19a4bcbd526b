import type { Job } from '../../job/define-job.ts'
import { shardCount, shardOf } from '../../storage/node-record.ts'
import { Signal } from '../loop/signal.ts'
import { type NodeCapabilities, readNodeCapabilities } from './code/node-capabilities.ts'
import type { Heartbeats } from './heartbeats.ts'
import { callEndsAtOf } from './node-info.ts'
import type { PeerCapabilities } from './code/peer-capabilities.ts'

/** Until it is known what a node can do, it goes before nobody. */
const unknown = readNodeCapabilities(null)

/** Beside the shards of jobs, what the nodes do for all jobs together has a place in their order. */
const common = shardCount

interface Peer {
  readonly scores: Uint32Array
  /** `null`: it has the same code as this node. */
  readonly capabilities: NodeCapabilities | null
}

/**
 * Who goes first: for each shard of jobs, the living nodes that can run the job, in an order of their own (rendezvous
 * hashing: Thaler and Ravishankar 1998). Whoever comes or goes moves only the jobs that it gets or had. Nothing rests on it
 * but what it costs: nodes that disagree meet at the storage.
 */
export class ShardAssignment {
  /** Sent when others have come or gone, or more is known of what they can do. */
  readonly changed: Signal = new Signal()
  readonly #heartbeats: Heartbeats
  readonly #profiles: PeerCapabilities
  readonly #own: Uint32Array
  readonly #isCall: boolean
  #peers: readonly Peer[] = []
  /** Of shards, while all nodes have the same code. */
  #ranks: Uint16Array | null = null

  /** `isCall`: a call of `runDue`, which waits for nobody, and for which nobody waits. */
  constructor({
    node,
    heartbeats,
    profiles,
    isCall = false,
  }: { node: string; heartbeats: Heartbeats; profiles: PeerCapabilities; isCall?: boolean }) {
    this.#isCall = isCall
    this.#heartbeats = heartbeats
    this.#profiles = profiles
    this.#own = scoresOf(node)
    heartbeats.changed.listen(() => this.#look())
    profiles.learned.listen(() => this.#look())
  }

  /** Whether no other node is known to live. */
  get isAlone(): boolean {
    return this.#peers.length === 0
  }

  /** The shards for whose jobs this node goes first; `null`: that depends on each job, or it does so for all. */
  get ownShards(): readonly number[] | null {
    const ranks = this.#ranks
    if (ranks === null) return null
    return Array.from({ length: shardCount }, (_, shard) => shard).filter((shard) => ranks[shard] === 0)
  }

  /** How many living nodes that can run the job go before this one. */
  rankOf({ job }: { readonly job: Pick<Job, 'id' | 'tasks'> }): number {
    if (this.#peers.length === 0) return 0
    const shard = shardOf(job.id)
    const rank = this.#ranks === null ? null : (this.#ranks[shard] as number)
    // Of code that it has got since, the others do not know. It takes longest to see, and most who ask go first anyway.
    if (rank === 0 || !this.#heartbeats.hasToldOf(job)) return 0
    return rank ?? this.#rankIn(shard, ({ capabilities }) => capabilities === null || capabilities.canRun(job))
  }

  /** How many living nodes go before this one in what is done for all jobs together. */
  get commonRank(): number {
    return this.#rankIn(common, () => true)
  }

  /**
   * How many living nodes of the same code go before this one in looking for what is overdue: those of another service see none
   * of its jobs.
   */
  get watchRank(): number {
    return this.#rankIn(common, ({ capabilities }) => capabilities === null)
  }

  /**
   * How many living nodes that can run the job stand by for it before this one, in the order of what is done for all jobs
   * together: the one that goes first for it is none of them.
   */
  standbyRankOf({ job }: { readonly job: Pick<Job, 'id' | 'tasks'> }): number {
    const shard = shardOf(job.id)
    let first = this.#own
    let before = 0
    for (const { scores, capabilities } of this.#peers) {
      if (capabilities !== null && !capabilities.canRun(job)) continue
      if ((scores[shard] as number) > (first[shard] as number)) first = scores
      if (this.#goesBefore(scores)) before++
    }
    return first !== this.#own && this.#goesBefore(first) ? before - 1 : before
  }

  #goesBefore(scores: Uint32Array): boolean {
    return (scores[common] as number) > (this.#own[common] as number)
  }

  #rankIn(shard: number, counts: (peer: Peer) => boolean): number {
    const own = this.#own[shard] as number
    let rank = 0
    for (const peer of this.#peers) if ((peer.scores[shard] as number) > own && counts(peer)) rank++
    return rank
  }

  #look(): void {
    if (this.#isCall) return
    // One that is starting takes no work yet.
    const living = this.#heartbeats.peers
      .living()
      .filter((record) => record.counter > 0 && callEndsAtOf(record) === null)
    this.#peers = living.map((record) => ({
      scores: scoresOf(record.node),
      capabilities: this.#profiles.isSame(record) ? null : (this.#profiles.of(record) ?? unknown),
    }))
    const isUniform = this.#peers.length > 0 && this.#peers.every(({ capabilities }) => capabilities === null)
    this.#ranks = isUniform
      ? Uint16Array.from({ length: shardCount }, (_, shard) => this.#rankIn(shard, () => true))
      : null
    this.changed.send()
  }
}

/** The scores of a node, by shard: the highest goes first. */
function scoresOf(node: string): Uint32Array {
  const seed = hashText(node)
  return Uint32Array.from({ length: shardCount + 1 }, (_, shard) => mix(seed ^ Math.imul(shard + 1, 0x9e3779b1)))
}

/** FNV-1a, 32 bits (Fowler, Noll, Vo), over UTF-16 code units. */
function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash
}

/** The finalizer of MurmurHash3, 32 bits (Appleby). */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
