import type { JobistemerError } from '@jobistemer/core'
import { storageFailure } from '@jobistemer/core/storage'
import { type Item, number, numberOf, optionalNumber, text } from './attributes.ts'
import type { Form, Migration } from './form.ts'
import { liveQuery } from './live-index.ts'
import { failedQuery } from './query-failures.ts'
import { hasRevision } from './record-writes.ts'
import type { Table } from './table.ts'
import { keyItem } from './keys.ts'

/** The stored mark of a namespace: the form of its data. */
interface FormMark {
  /** The least form that a package version must know to open the data. Raised before a migration begins. */
  readonly version: number
  /** The form that the data have reached; lower than `version` during a migration. */
  readonly reached: number
  /** The cursor at which an unfinished migration continues. */
  readonly cursor: string | null
  readonly revision: number
}

/**
 * Checks, before the first write, that the table has Jobistemer's keys and indexes, and that this version knows the
 * form of the namespace. Stores the form of a new namespace, and migrates a namespace of an older form.
 *
 * @throws JobistemerError `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`, and the errors of every request
 */
export async function openTable(table: Table, form: Form): Promise<void> {
  const { requests, keys } = table
  const [first] = await Promise.all([
    requests.get(keys.form),
    requests.query({ ...failedQuery(table, 0), Limit: 1 }),
    requests.query({ ...liveQuery(table, { group: 'running', shard: 0 }, { from: 0 }), Limit: 1 }),
  ])
  let mark = first === null ? null : readMark(first)
  while (mark === null || mark.version !== form.version || mark.reached !== form.version) {
    const next = mark === null ? newMark(form) : await moveOn(table, form, mark)
    // Several nodes may open the table at once. The first node writes the mark, and the other nodes continue with that mark.
    await requests.put({ Item: markItem(table, next), ...hasRevision(next.revision - 1) })
    const item = await requests.get(keys.form)
    mark = item === null ? null : readMark(item)
  }
}

function newMark({ version }: Form): FormMark {
  return { version, reached: version, cursor: null, revision: 1 }
}

/** Runs the next piece of the migration, and returns the mark that follows. */
async function moveOn(table: Table, form: Form, mark: FormMark): Promise<FormMark> {
  if (mark.version > form.version) throw newerError(table, form, mark)
  const revision = mark.revision + 1
  // After this mark is stored, nodes with an older version of the package cannot open the data.
  if (mark.version < form.version) return { ...mark, version: form.version, revision }
  const cursor = await (form.migrations[mark.reached] as Migration)(table, mark.cursor)
  return { ...mark, cursor, reached: cursor === null ? mark.reached + 1 : mark.reached, revision }
}

function markItem({ keys }: Table, { version, reached, cursor, revision }: FormMark): Item {
  const item: Item = { ...keyItem(keys.form), n: number(version), v: number(revision) }
  if (reached !== version) item.r = number(reached)
  if (cursor !== null) item.c = text(cursor)
  return item
}

function readMark(item: Item): FormMark {
  const version = numberOf(item, 'n')
  const reached = optionalNumber(item, 'r') ?? version
  return { version, reached, cursor: item.c?.S ?? null, revision: numberOf(item, 'v') }
}

function newerError({ requests }: Table, form: Form, { version }: FormMark): JobistemerError {
  const message = `The data are in form ${version}, and this version of @jobistemer/storage-dynamodb knows ${form.version}: ${requests.tableName}.`
  const remedy = 'Update @jobistemer/storage-dynamodb on this node.'
  return storageFailure('STORAGE_SCHEMA_NEWER', ['tableName', requests.tableName], message, remedy)
}
