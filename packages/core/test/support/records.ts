import type { JobId, OccurrenceId } from '../../src/ids.ts'
import type { JobRecord, JobVersionRecord } from '../../src/storage/job-record.ts'
import { NodeList } from '../../src/storage/ledger/node-list.ts'
import { isFailure, isFinal, type OccurrenceRecord } from '../../src/storage/occurrence-record.ts'

/** A change of one record: its new content, or `null` for its removal. */
export type RecordChange =
  | { readonly table: 'jobs'; readonly key: JobId; readonly value: JobRecord | null }
  | { readonly table: 'versions'; readonly key: string; readonly value: JobVersionRecord | null }
  | { readonly table: 'keys'; readonly key: OccurrenceId; readonly value: OccurrenceId | null }
  | { readonly table: 'occurrences'; readonly key: OccurrenceId; readonly value: OccurrenceRecord | null }

/**
 * All records of a small storage in memory. `snapshot` returns them as a list of changes, which an adapter can write to a file.
 */
export class Records {
  /** All jobs by id, tombstones included. */
  readonly jobs: Map<JobId, JobRecord> = new Map()
  /** All versions of jobs, by {@link versionKey}. */
  readonly versions: Map<string, JobVersionRecord> = new Map()
  /** All occurrences by id: live occurrences and history. */
  readonly occurrences: Map<OccurrenceId, OccurrenceRecord> = new Map()
  /** The last occurrence of each reusable key (`namingKey`), by the key's id. */
  readonly keys: Map<OccurrenceId, OccurrenceId> = new Map()
  /** The live occurrences by id, so that no step scans the history. */
  readonly live: Map<OccurrenceId, OccurrenceRecord> = new Map()
  /** The failures by id, so that a query finds them without a scan of the history. */
  readonly failed: Map<OccurrenceId, OccurrenceRecord> = new Map()
  /** The node records. No adapter writes them to a file. */
  readonly nodes: NodeList = new NodeList()

  /** Makes a change. */
  apply(change: RecordChange): void {
    const { table, key, value } = change
    put<string, unknown>(this[table], key, value)
    if (table !== 'occurrences') return
    put(this.live, key, value === null || isFinal(value.state) ? null : value)
    put(this.failed, key, value !== null && isFailure(value.state) ? value : null)
  }

  /** Returns the changes that rebuild all records from an empty state. */
  snapshot(): readonly RecordChange[] {
    return [
      ...[...this.jobs].map(([key, value]) => ({ table: 'jobs', key, value }) as const),
      ...[...this.versions].map(([key, value]) => ({ table: 'versions', key, value }) as const),
      ...[...this.occurrences].map(([key, value]) => ({ table: 'occurrences', key, value }) as const),
      ...[...this.keys].map(([key, value]) => ({ table: 'keys', key, value }) as const),
    ]
  }
}

/** Returns the key of a version in {@link Records}. */
export function versionKey({ jobId, version }: Pick<JobVersionRecord, 'jobId' | 'version'>): string {
  return `${jobId} ${version}`
}

function put<Key, Value>(table: Map<Key, Value>, key: Key, value: Value | null): void {
  if (value === null) table.delete(key)
  else table.set(key, value)
}
