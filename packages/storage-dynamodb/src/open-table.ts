import { JobistemerError } from '@jobistemer/core'
import { number, numberOf, text } from './attributes.ts'
import { liveQuery } from './live-index.ts'
import { hasRevision } from './record-writes.ts'
import type { Table } from './table.ts'

/** The format in which this version of the package writes. */
const format = 1

/**
 * Looks whether the table has Jobistemer's keys and index and whether the namespace is in a format that this version
 * understands, before anything is written; marks a namespace that is new.
 *
 * @throws JobistemerError `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`, and those of every request
 */
export async function openTable(table: Table): Promise<void> {
  const { requests, keys } = table
  const [found] = await Promise.all([
    requests.get(keys.format),
    requests.query({ ...liveQuery(table, 'running', 0, { from: 0 }), Limit: 1 }),
  ])
  if (found === null) {
    const { pk, sk } = keys.format
    // Another node that is first marks it in the same way.
    await requests.put({ Item: { pk: text(pk), sk: text(sk), n: number(format) }, ...hasRevision(0) })
    return
  }
  const stored = numberOf(found, 'n')
  if (stored <= format) return
  throw new JobistemerError('STORAGE_SCHEMA_NEWER', {
    message: `The data are in format ${stored}, and this version of @jobistemer/storage-dynamodb knows ${format}: ${requests.tableName}.`,
    field: 'tableName',
    value: requests.tableName,
    remedy: 'Update @jobistemer/storage-dynamodb on this node.',
  })
}
