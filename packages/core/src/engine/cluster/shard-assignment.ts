import type { Job } from '../../job/define-job.ts'
import { shardCount, shardOf } from '../../storage/node-record.ts'
import { Signal } from '../runtime/signal.ts'
import { type NodeCapabilities, readNodeCapabilities } from './code/node-capabilities.ts'
import type { Heartbeats } from './heartbeats.ts'
import { callEndsAtOf } from './peer-record.ts'

/** Capabilities of a peer whose profile this node has not read yet: the peer counts as able to run no job. */
const unknown = readNodeCapabilities(null)

/** Index of the score for work that one node does for all jobs. It follows the indexes of the shards. */
const common = shardCount

interface Peer {
  /** By shard, see {@link scoresOf}; the last one is for common work. */
  readonly scores: Uint32Array
  /** `null`: the peer has the same code as this node. */
  readonly capabilities: NodeCapabilities | null
}

/**
 * Ranks the living nodes for each shard of jobs by rendezvous hashing (Thaler and Ravishankar 1998). The node with rank 0
 * launches the slots of the shard. If a node starts or ends, only its own shards move. Ranks save calls and carry no
 * safety: the storage decides between nodes that disagree.
 */
export class ShardAssignment {
  /** Sent when nodes have started or ended, or their capabilities have become known. */
  readonly changed: Signal = new Signal()
  readonly #heartbeats: Heartbeats
  readonly #own: Uint32Array
  readonly #isCall: boolean
  #peers: readonly Peer[] = []
  /** Rank of this node by shard, while all nodes have the same code; `null` if codes differ or this node is alone. */
  #ranks: Uint16Array | null = null

  /** `isCall`: the node lives for one call of `runDue`. It has rank 0 everywhere, and peers leave it out of their ranks. */
  constructor({ node, heartbeats, isCall = false }: { node: string; heartbeats: Heartbeats; isCall?: boolean }) {
    this.#isCall = isCall
    this.#heartbeats = heartbeats
    this.#own = scoresOf(node)
    heartbeats.changed.listen(() => this.#rank())
    heartbeats.code.learned.listen(() => this.#rank())
  }

  /** Whether this node ranks no peers: no other started scheduler is known to live, or this node is a call of `runDue`. */
  get isAlone(): boolean {
    return this.#peers.length === 0
  }

  /** The shards in which this node has rank 0; `null` if it has rank 0 in all, or if the rank depends on the job. */
  get ownShards(): readonly number[] | null {
    const ranks = this.#ranks
    if (ranks === null) return null
    return Array.from({ length: shardCount }, (_, shard) => shard).filter((shard) => ranks[shard] === 0)
  }

  /** The number of living nodes before this one that can run the job. */
  rankOf({ job }: { readonly job: Pick<Job, 'id' | 'tasks'> }): number {
    if (this.#peers.length === 0) return 0
    const shard = shardOf(job.id)
    const rank = this.#ranks === null ? null : (this.#ranks[shard] as number)
    // Peers do not know code that this node has got since its last heartbeat. It launches slots of such a job itself.
    // This check comes last, because it is slow.
    if (rank === 0 || !this.#heartbeats.code.canRun(job)) return 0
    return rank ?? this.#rankIn(shard, ({ capabilities }) => capabilities === null || capabilities.canRun(job))
  }

  /** The number of living nodes before this one for work that one node does for all jobs. */
  get commonRank(): number {
    return this.#rankIn(common, () => true)
  }

  /** The number of living nodes with the same code that scan for overdue slots before this one. */
  get watchRank(): number {
    return this.#rankIn(common, ({ capabilities }) => capabilities === null)
  }

  /** The number of watchers before this one that can run the job, without the node with rank 0 for the job. */
  watchRankOf({ job }: { readonly job: Pick<Job, 'id' | 'tasks'> }): number {
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

  #rank(): void {
    if (this.#isCall) return
    // A node with a counter below 1 is starting and takes no work yet.
    const { code, peers } = this.#heartbeats
    const living = peers.living().filter((record) => record.counter > 0 && callEndsAtOf(record) === null)
    this.#peers = living.map((record) => ({
      scores: scoresOf(record.node),
      capabilities: code.isSame(record) ? null : (code.of(record) ?? unknown),
    }))
    const isUniform = this.#peers.length > 0 && this.#peers.every(({ capabilities }) => capabilities === null)
    this.#ranks = isUniform
      ? Uint16Array.from({ length: shardCount }, (_, shard) => this.#rankIn(shard, () => true))
      : null
    this.changed.send()
  }
}

/** The scores of a node by shard. The node with the highest score has rank 0. */
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
