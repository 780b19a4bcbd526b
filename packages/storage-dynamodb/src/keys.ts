import type { JobId, OccurrenceId } from '@jobistemer/core'
import { type OccurrenceAddress, type Ordered, orderAt } from '@jobistemer/core/storage'
import { type Item, text, textOf } from './attributes.ts'

/** The primary key of an item. */
export interface Key {
  readonly pk: string
  readonly sk: string
}

/** The attributes of a primary key, as part of an item. */
export function keyItem({ pk, sk }: Key): Item {
  return { pk: text(pk), sk: text(sk) }
}

/** The primary key of an item. */
export function keyOf(item: Item): Key {
  return { pk: textOf(item, 'pk'), sk: textOf(item, 'sk') }
}

// All keys of a namespace begin with its prefix and a colon. A prefix contains no colon.

/** Number of index partitions for the occurrences of each state. These numbers are part of the stored form. */
export const shardCounts = { pending: 2, queued: 2, running: 8, canceling: 1 } as const

/** Number of index partitions for failures. This number is part of the stored form. */
export const failedShardCount = 8

/** The group of index partitions of a live occurrence. `canceling`: the occurrence is running and has a cancel request. */
export type LiveGroup = keyof typeof shardCounts

/** Makes the keys of the items of one namespace. */
export class Keys {
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = `${prefix}:`
  }

  /** The head of a job, with the lists of its live occurrences. */
  head(job: JobId): Key {
    return { pk: this.#jobPartition(job), sk: 'head' }
  }

  /** The item of one version of a job. */
  version(job: JobId, version: number): Key {
    return { pk: this.#jobPartition(job), sk: `version/${String(version).padStart(10, '0')}` }
  }

  /** The items of pages `from` to `to - 1`, which list active occurrences that the head has no room for. */
  activePages(job: JobId, { from, to }: { readonly from: number; readonly to: number }): readonly Key[] {
    const pk = this.#jobPartition(job)
    return Array.from({ length: Math.max(0, to - from) }, (_, index) => {
      return { pk, sk: `active/${String(from + index).padStart(10, '0')}` }
    })
  }

  /** The partition with the queued occurrences of a job that its head does not list, in the order of waking. */
  queue(job: JobId): string {
    return `${this.#prefix}queue/${uuidOf(job)}`
  }

  queued(entry: OccurrenceAddress & Ordered): Key {
    return { pk: this.queue(entry.jobId), sk: `${sortableInstant(orderAt(entry))}/${uuidOf(entry.id)}` }
  }

  /** A part of the plan of a large step: the records that the step has still to write. */
  plan(job: JobId, part: number): Key {
    return { pk: this.#jobPartition(job), sk: `plan/${String(part).padStart(4, '0')}` }
  }

  occurrence({ id, jobId, scheduledAt }: OccurrenceAddress): Key {
    return { pk: this.history(jobId), sk: `${sortableInstant(scheduledAt)}/${uuidOf(id)}` }
  }

  /** The address of an occurrence: maps its id to its job and scheduled time. */
  address(id: OccurrenceId): Key {
    return { pk: `${this.#prefix}occurrence/${uuidOf(id)}`, sk: 'address' }
  }

  /** The item that names the last occurrence of a reusable key. */
  reusableKey(keyId: OccurrenceId): Key {
    return { pk: `${this.#prefix}key/${uuidOf(keyId)}`, sk: 'key' }
  }

  /**
   * The key of a part of an occurrence. Parts are separate items for large attributes. `writing` is the name that all
   * parts of one write share.
   */
  part(id: OccurrenceId, writing: string, part: number): Key {
    const { pk, sk } = this.parts(id, writing)
    return { pk, sk: `${sk}/${String(part).padStart(3, '0')}` }
  }

  /** The common prefix of the keys of all parts whose names begin with `writing`. */
  parts(id: OccurrenceId, writing: string): Key {
    return { pk: `${this.#prefix}occurrence/${uuidOf(id)}`, sk: `part/${writing}` }
  }

  /** The partition with the records of all nodes. */
  get nodes(): string {
    return `${this.#prefix}nodes`
  }

  node(incarnation: string): Key {
    return { pk: this.nodes, sk: printIncarnation(incarnation) }
  }

  /** The profile of a node, in a separate partition, so that reads of all nodes do not pay for profiles. */
  profile(incarnation: string): Key {
    return { pk: `${this.#prefix}profile/${printIncarnation(incarnation)}`, sk: 'profile' }
  }

  /** The key of a read that only needs the time of the answer. No item has this key. */
  clock(): Key {
    return { pk: `${this.#prefix}clock`, sk: 'clock' }
  }

  /** The partition with all occurrences of a job, sorted by scheduled time and id. */
  history(job: JobId): string {
    return `${this.#prefix}history/${uuidOf(job)}`
  }

  /** The registry: a partition that lists all jobs by id and by their last change. */
  get registry(): string {
    return `${this.#prefix}jobs`
  }

  registered(job: JobId): Key {
    return { pk: this.registry, sk: `id/${uuidOf(job)}` }
  }

  changed(job: JobId, changedAt: number): Key {
    return { pk: this.registry, sk: `change/${sortableInstant(changedAt)}/${uuidOf(job)}` }
  }

  /** The item with the version of the namespace's stored form. */
  get form(): Key {
    return { pk: `${this.#prefix}form`, sk: 'form' }
  }

  /** The index partition of a live occurrence. Only pending occurrences have priority levels other than 0. */
  livePartition(group: LiveGroup, shard: number, level = 0): string {
    return level === 0 ? `${this.#prefix}${group}/${shard}` : `${this.#prefix}${group}.${level}/${shard}`
  }

  /** The marker of a priority level. The marker exists if the namespace has, or had, pending occurrences of this priority. */
  priorityLevel(level: number): Key {
    return { pk: `${this.#prefix}priority/${level}`, sk: 'level' }
  }

  /** The index partition of failures. */
  failedPartition(shard: number): string {
    return `${this.#prefix}failed/${shard}`
  }

  /** The index partition that lists plans which have not been carried out. */
  get planPartition(): string {
    return `${this.#prefix}plan/0`
  }

  #jobPartition(job: JobId): string {
    return `${this.#prefix}job/${uuidOf(job)}`
  }
}

/** Returns the index partition of an occurrence. The last digits of the id spread occurrences over the partitions. */
export function shardOf(id: OccurrenceId, group: LiveGroup): number {
  return Number.parseInt(id.slice(-4), 16) % shardCounts[group]
}

/**
 * Returns the index partition for the failures of a job. All failures of a job share a partition, so that a query for one job
 * reads no other partition.
 */
export function failedShardOf(job: JobId): number {
  return Number.parseInt(job.slice(-4), 16) % failedShardCount
}

/** The sort key of a failure in its index: its end, then its id. */
export function failedOrder(id: OccurrenceId, finishedAt: number): string {
  return `${sortableInstant(finishedAt)}/${uuidOf(id)}`
}

/** The address of the occurrence that is stored under this key. */
export function addressOfKey({ pk, sk }: Key): OccurrenceAddress {
  const [instant, id] = sk.split('/')
  return {
    id: `occ_${id}`,
    jobId: `job_${pk.slice(pk.lastIndexOf('/') + 1)}`,
    scheduledAt: parseInstant(instant as string),
  }
}

/** The priority level of the marker with this key. */
export function levelOfKey({ pk }: Key): number {
  return Number(pk.slice(pk.lastIndexOf('/') + 1))
}

/** The priority level of a partition of the index. */
export function levelOfPartition(partition: string): number {
  return Number(/\.(-?\d+)\/\d+$/.exec(partition)?.[1] ?? 0)
}

export function jobOfKey({ pk }: Key): JobId {
  return `job_${pk.slice(pk.lastIndexOf('/') + 1)}`
}

export function uuidOf(id: JobId | OccurrenceId): string {
  return id.slice(id.indexOf('_') + 1)
}

/** An incarnation as JSON: JSON is never empty, and escapes lone surrogates, which UTF-8 cannot encode. */
function printIncarnation(incarnation: string): string {
  return JSON.stringify(incarnation)
}

/** The incarnation of the node whose record has this key. */
export function incarnationOfKey({ sk }: Key): string {
  return JSON.parse(sk) as string
}

const width = 16
const least = 9_000_000_000_000_000

/**
 * An instant as text that sorts like the number. Instants before 1970 begin with a minus, which sorts before the digits.
 */
export function sortableInstant(at: number): string {
  return at < 0 ? `-${String(least + at).padStart(width, '0')}` : String(at).padStart(width, '0')
}

function parseInstant(sortable: string): number {
  return sortable.startsWith('-') ? Number(sortable.slice(1)) - least : Number(sortable)
}

/** The id of the job that the last part of a sort key names. */
export function jobOfKeyText(sk: string): JobId {
  return `job_${sk.slice(sk.lastIndexOf('/') + 1)}`
}
