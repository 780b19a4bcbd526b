import type { JobId, OccurrenceId } from '@jobistemer/core'
import { type OccurrenceAddress, type Ordered, orderAt } from '@jobistemer/core/storage'
import { type Item, text, textOf } from './attributes.ts'

/** The primary key of an item. */
export interface Key {
  readonly pk: string
  readonly sk: string
}

/** Returns the attributes of a primary key. */
export function keyItem({ pk, sk }: Key): Item {
  return { pk: text(pk), sk: text(sk) }
}

/** Returns the primary key of an item. */
export function keyOf(item: Item): Key {
  return { pk: textOf(item, 'pk'), sk: textOf(item, 'sk') }
}

// Keys begin with the namespace's prefix and a colon. No prefix contains a colon, so namespaces never mix.

/**
 * Number of index partitions for each group of live occurrences. The numbers must never change, because the partition of each
 * stored entry depends on them.
 */
export const shardCounts = { pending: 2, queued: 2, running: 8, canceling: 1 } as const

/**
 * Number of index partitions for failed occurrences. The number must never change, because the partition of each stored entry
 * depends on it.
 */
export const failedShardCount = 8

/** The group of index partitions of a live occurrence. `canceling`: the occurrence is running and has a cancel request. */
export type LiveGroup = keyof typeof shardCounts

/**
 * Builds the keys of the items of one namespace. A namespace consists of the data of all storages with the same prefix.
 */
export class Keys {
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = `${prefix}:`
  }

  /** Returns the key of the head of a job. */
  head(job: JobId): Key {
    return { pk: this.#jobPartition(job), sk: 'head' }
  }

  /** Returns the key of the item that holds one version of a job. */
  version(job: JobId, version: number): Key {
    return { pk: this.#jobPartition(job), sk: `version/${String(version).padStart(10, '0')}` }
  }

  /**
   * Returns the keys of pages `from` to `to - 1`: items that list the active occurrences that the job's head has no
   * room for.
   */
  activePages(job: JobId, { from, to }: { readonly from: number; readonly to: number }): readonly Key[] {
    const pk = this.#jobPartition(job)
    return Array.from({ length: Math.max(0, to - from) }, (_, index) => {
      return { pk, sk: `active/${String(from + index).padStart(10, '0')}` }
    })
  }

  /**
   * Returns the partition of a job's queued occurrences that its head does not list. The sort keys have the order of
   * waking.
   */
  queue(job: JobId): string {
    return `${this.#prefix}queue/${uuidOf(job)}`
  }

  queued(entry: OccurrenceAddress & Ordered): Key {
    return { pk: this.queue(entry.jobId), sk: `${sortableInstant(orderAt(entry))}/${uuidOf(entry.id)}` }
  }

  /** Returns the key of one item of a plan. The plan lists the records that a large step has still to write. */
  plan(job: JobId, part: number): Key {
    return { pk: this.#jobPartition(job), sk: `plan/${String(part).padStart(4, '0')}` }
  }

  occurrence({ id, jobId, scheduledAt }: OccurrenceAddress): Key {
    return { pk: this.history(jobId), sk: `${sortableInstant(scheduledAt)}/${uuidOf(id)}` }
  }

  /** Returns the key of the item that maps an occurrence id to its job and scheduled time. */
  address(id: OccurrenceId): Key {
    return { pk: `${this.#prefix}occurrence/${uuidOf(id)}`, sk: 'address' }
  }

  /** Returns the key of the item that names the last occurrence of a reusable key. */
  reusableKey(keyId: OccurrenceId): Key {
    return { pk: `${this.#prefix}key/${uuidOf(keyId)}`, sk: 'key' }
  }

  /**
   * Returns the key of a part: a separate item with one piece of an occurrence's large attribute. All parts of a write have the
   * same name `writing`.
   */
  part(id: OccurrenceId, writing: string, part: number): Key {
    const { pk, sk } = this.parts(id, writing)
    return { pk, sk: `${sk}/${String(part).padStart(3, '0')}` }
  }

  /**
   * Returns the common prefix of the keys of all parts whose names begin with `writing`. A part is an item with a piece of a
   * large attribute.
   */
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

  /**
   * Returns the key of a node's profile. Each profile has a separate partition. So a read of all node records does not
   * also read the profiles, which would cost read units.
   */
  profile(incarnation: string): Key {
    return { pk: `${this.#prefix}profile/${printIncarnation(incarnation)}`, sk: 'profile' }
  }

  /** Returns a key that no item has. Reads of this key serve only to get DynamoDB's time. */
  clock(): Key {
    return { pk: `${this.#prefix}clock`, sk: 'clock' }
  }

  /** Returns the partition of all occurrences of a job, sorted by scheduled time and id. */
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

  /** The key of the item that holds the layout version of the namespace's data. */
  get form(): Key {
    return { pk: `${this.#prefix}form`, sk: 'form' }
  }

  /**
   * Returns the key of an index partition of live occurrences. `shard`: the number of the partition in its group. Only pending
   * occurrences have separate partitions for each priority `level`.
   */
  livePartition(group: LiveGroup, shard: number, level = 0): string {
    return level === 0 ? `${this.#prefix}${group}/${shard}` : `${this.#prefix}${group}.${level}/${shard}`
  }

  /** Returns the key of a marker, which shows that the namespace has used this priority level. */
  priorityLevel(level: number): Key {
    return { pk: `${this.#prefix}priority/${level}`, sk: 'level' }
  }

  /** Returns the partition `shard` of the index of failed occurrences. */
  failedPartition(shard: number): string {
    return `${this.#prefix}failed/${shard}`
  }

  /** The index partition of jobs with remaining writes of a large step. */
  get planPartition(): string {
    return `${this.#prefix}plan/0`
  }

  #jobPartition(job: JobId): string {
    return `${this.#prefix}job/${uuidOf(job)}`
  }
}

/** Returns the index partition of an occurrence, by the last digits of its id. */
export function shardOf(id: OccurrenceId, group: LiveGroup): number {
  return Number.parseInt(id.slice(-4), 16) % shardCounts[group]
}

/** Returns the index partition for all failures of a job, so that a query for the job reads one partition. */
export function failedShardOf(job: JobId): number {
  return Number.parseInt(job.slice(-4), 16) % failedShardCount
}

/** Returns the sort key of a failed occurrence in the index: its end, then its id. */
export function failedOrder(id: OccurrenceId, finishedAt: number): string {
  return `${sortableInstant(finishedAt)}/${uuidOf(id)}`
}

/** Returns the address of the occurrence whose record has this key. */
export function addressOfKey({ pk, sk }: Key): OccurrenceAddress {
  const [instant, id] = sk.split('/')
  return {
    id: `occ_${id}`,
    jobId: jobOfKey(pk),
    scheduledAt: parseInstant(instant as string),
  }
}

/** Returns the priority level that the key of a marker item contains. */
export function levelOfKey({ pk }: Key): number {
  return Number(pk.slice(pk.lastIndexOf('/') + 1))
}

/** Returns the priority level of an index partition. */
export function levelOfPartition(partition: string): number {
  return Number(/\.(-?\d+)\/\d+$/.exec(partition)?.[1] ?? 0)
}

/** Returns the id of a job from a partition key or a sort key. The last section of the key is the UUID of the job. */
export function jobOfKey(key: string): JobId {
  return `job_${key.slice(key.lastIndexOf('/') + 1)}`
}

export function uuidOf(id: JobId | OccurrenceId): string {
  return id.slice(id.indexOf('_') + 1)
}

/** Returns an incarnation as JSON. JSON is never empty, and escapes lone surrogates, which UTF-8 cannot encode. */
function printIncarnation(incarnation: string): string {
  return JSON.stringify(incarnation)
}

/** Returns the incarnation of the node whose record has this key. */
export function incarnationOfKey({ sk }: Key): string {
  return JSON.parse(sk) as string
}

const width = 16
const least = 9_000_000_000_000_000

/**
 * Returns an instant as text. The texts have the same order as the instants: texts before 1970 begin with a minus, which sorts
 * before the digits.
 */
export function sortableInstant(at: number): string {
  return at < 0 ? `-${String(least + at).padStart(width, '0')}` : String(at).padStart(width, '0')
}

function parseInstant(sortable: string): number {
  return sortable.startsWith('-') ? Number(sortable.slice(1)) - least : Number(sortable)
}
