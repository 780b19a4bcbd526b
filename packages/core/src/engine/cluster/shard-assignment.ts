import type { JobId } from '../../ids.ts'
import { shardCount, shardOf } from '../../storage/node-record.ts'
import type { Heartbeats } from './heartbeats.ts'
import { callEndsAtOf } from './peers.ts'

/**
 * Index in {@link Scores} of the score for common work. Common work concerns all jobs, and a single node does it. The scores
 * for the shards precede this score.
 */
const common = shardCount

/**
 * A node's scores: one for each shard, and a last score for work that a single node does for all jobs, see {@link
 * scoresOf}.
 */
type Scores = Uint32Array

interface JobWithId {
  readonly job: { readonly id: JobId }
}

/**
 * Ranks the living nodes of this node's code group, separately for each shard of jobs. The node with rank 0 launches the slots
 * of the shard.
 *
 * The ranks come from rendezvous hashing (Thaler and Ravishankar 1998). If a node starts or ends, only the shards in which that
 * node has rank 0 get another first node.
 *
 * A code group consists of the nodes with the same code and definitions. If several groups can run a job, the first node of
 * each group tries to create its slots. The storage decides which node creates a slot. So ranks only save storage calls.
 */
export class ShardAssignment {
  readonly #heartbeats: Heartbeats
  readonly #own: Scores
  readonly #isCall: boolean
  /** The scores of the other nodes in this node's code group. Scores determine the ranks. */
  #group: readonly Scores[] = []
  /**
   * Ranks of this node: a rank for each shard among the nodes of its code group, and a last rank among all living
   * nodes. The last rank is for work that a single node does for all jobs.
   */
  #ranks = new Uint16Array(shardCount + 1)

  /**
   * `isCall`: the node lives for one call of `runDue`. Such a node has rank 0 for every shard, and peers leave it out of their
   * ranks.
   */
  constructor({ node, heartbeats, isCall = false }: { node: string; heartbeats: Heartbeats; isCall?: boolean }) {
    this.#isCall = isCall
    this.#heartbeats = heartbeats
    this.#own = scoresOf(node)
    heartbeats.changed.listen(() => this.#rank())
  }

  /** Whether this node ranks alone: no other node of the code group lives, or this node is a call of `runDue`. */
  get isAlone(): boolean {
    return this.#group.length === 0
  }

  /** The shards in which this node has rank 0; `null` if this node has rank 0 in every shard. */
  get ownShards(): readonly number[] | null {
    if (this.isAlone) return null
    return Array.from({ length: shardCount }, (_, shard) => shard).filter((shard) => this.#ranks[shard] === 0)
  }

  /** Returns the number of nodes in the code group that rank before this node for the job. */
  rankOf({ job }: JobWithId): number {
    return this.isAlone ? 0 : (this.#ranks[shardOf(job.id)] as number)
  }

  /**
   * The number of living nodes that rank before this node for work that a single node does for all jobs, such as
   * retention.
   */
  get commonRank(): number {
    return this.#ranks[common] as number
  }

  /** The number of nodes in the code group that scan for overdue slots before this node. */
  get watchRank(): number {
    return this.#rankIn(common, this.#group)
  }

  /**
   * Returns the number of nodes that scan for overdue slots of a job before this node. The number does not include the node
   * with rank 0 for the job.
   */
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
    // A node with a counter below 1 is starting and takes no work yet, so it gets no rank.
    const living = peers.living().filter((record) => record.counter > 0 && callEndsAtOf(record) === null)
    const scores = living.map(({ node }) => scoresOf(node))
    this.#group = scores.filter((_, index) => living[index]?.about.code === codeDigest)
    this.#ranks = Uint16Array.from(this.#own, (_, shard) =>
      this.#rankIn(shard, shard === common ? scores : this.#group),
    )
  }
}

/** Returns a node's scores by shard. In each shard, the node with the highest score has rank 0. */
function scoresOf(node: string): Scores {
  const seed = fnv1a(node)
  return Uint32Array.from({ length: shardCount + 1 }, (_, shard) => mix(seed ^ Math.imul(shard + 1, 0x9e3779b1)))
}

/**
 * Returns the 32-bit FNV-1a hash (Fowler, Noll, Vo) of the UTF-16 code units of a text. Another prime gives an independent
 * hash.
 */
export function fnv1a(text: string, prime = 0x01000193): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), prime)
  return hash
}

/** Mixes the bits of a hash by the 32-bit finalizer of MurmurHash3 (Appleby). */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
