import type { JobId } from '../../ids.ts'
import { shardCount, shardOf } from '../../storage/node-record.ts'
import { Signal } from '../runtime/signal.ts'
import type { Heartbeats } from './heartbeats.ts'
import { callEndsAtOf } from './peer-record.ts'

/** Index of the score for common work, which a single node does for all jobs. It follows the indexes of the shards. */
const common = shardCount

/** By shard, see {@link scoresOf}; the last one is for common work. */
type Scores = Uint32Array

interface JobWithId {
  readonly job: { readonly id: JobId }
}

/**
 * Ranks the living nodes for each shard of jobs by rendezvous hashing (Thaler and Ravishankar 1998). The node with rank 0
 * launches the slots of the shard. If a node starts or ends, only its own shards move.
 *
 * Ranks count the nodes with the same code and definitions, which form a code group. If several groups can run a job, each
 * of them requests its slots. Ranks save calls and carry no safety: the storage decides.
 */
export class ShardAssignment {
  /** Sent when nodes have started or ended, or when the code of nodes has changed. */
  readonly changed: Signal = new Signal()
  readonly #heartbeats: Heartbeats
  readonly #own: Scores
  readonly #isCall: boolean
  /** The other nodes of the code group. */
  #group: readonly Scores[] = []
  /** Rank of this node by shard, then its common rank among all nodes. */
  #ranks = new Uint16Array(shardCount + 1)

  /** `isCall`: the node lives for one call of `runDue`. It has rank 0 everywhere, and peers leave it out of their ranks. */
  constructor({ node, heartbeats, isCall = false }: { node: string; heartbeats: Heartbeats; isCall?: boolean }) {
    this.#isCall = isCall
    this.#heartbeats = heartbeats
    this.#own = scoresOf(node)
    heartbeats.changed.listen(() => this.#rank())
  }

  /** Whether this node ranks no peers: no other node of its code group lives, or this node is a call of `runDue`. */
  get isAlone(): boolean {
    return this.#group.length === 0
  }

  /** The shards in which this node has rank 0; `null` if it has rank 0 in all. */
  get ownShards(): readonly number[] | null {
    if (this.isAlone) return null
    return Array.from({ length: shardCount }, (_, shard) => shard).filter((shard) => this.#ranks[shard] === 0)
  }

  /** The number of nodes of the code group that precede this one for the job. */
  rankOf({ job }: JobWithId): number {
    return this.isAlone ? 0 : (this.#ranks[shardOf(job.id)] as number)
  }

  /** The number of living nodes that precede this node for common work. */
  get commonRank(): number {
    return this.#ranks[common] as number
  }

  /** The number of nodes of the code group that scan for overdue slots before this one. */
  get watchRank(): number {
    return this.#rankIn(common, this.#group)
  }

  /** The number of watchers before this one, without the node with rank 0 for the job. */
  watchRankOf({ job }: JobWithId): number {
    const shard = shardOf(job.id)
    const isBefore = (one: Scores, other: Scores, index: number) => (one[index] as number) > (other[index] as number)
    let first = this.#own
    for (const scores of this.#group) if (isBefore(scores, first, shard)) first = scores
    return this.watchRank - (isBefore(first, this.#own, common) ? 1 : 0)
  }

  #rankIn(shard: number, nodes: readonly Scores[]): number {
    const own = this.#own[shard] as number
    return nodes.filter((scores) => (scores[shard] as number) > own).length
  }

  #rank(): void {
    if (this.#isCall) return
    const { codeDigest, peers } = this.#heartbeats
    // A node with a counter below 1 is starting and takes no work yet.
    const living = peers.living().filter((record) => record.counter > 0 && callEndsAtOf(record) === null)
    const scores = living.map(({ node }) => scoresOf(node))
    this.#group = scores.filter((_, index) => living[index]?.about.code === codeDigest)
    this.#ranks = Uint16Array.from(this.#own, (_, shard) =>
      this.#rankIn(shard, shard === common ? scores : this.#group),
    )
    this.changed.send()
  }
}

/** The scores of a node by shard. The node with the highest score has rank 0. */
function scoresOf(node: string): Scores {
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
