import type { JobistemerError } from '@jobistemer/core'
import { storageFailure } from '@jobistemer/core/storage'
import { number, numberOf, text } from './attributes.ts'
import { keyItem } from './keys.ts'
import { names } from './occurrence-item.ts'
import { hasRevision } from './record-writes.ts'
import type { Requests } from './requests.ts'
import type { Table } from './table.ts'
import { failedIndex, liveIndex } from './table-definition.ts'

/**
 * The form of the data under one prefix: the keys, the names of attributes, and which item holds what. One item of the
 * prefix stores the form. A change that the previous version could not read, or would read wrongly, must raise this number.
 */
const formVersion = 1

/**
 * Checks, before the first write, that the table has Jobistemer's keys and indexes, and that this version knows the form of
 * the namespace. Stores the form of a new namespace.
 *
 * @throws JobistemerError `STORAGE_FOREIGN`, `STORAGE_SCHEMA_NEWER`
 */
export async function openTable({ requests, keys }: Table): Promise<void> {
  const [present] = await Promise.all([requests.get(keys.form), askIndexes(requests)])
  let mark = present
  if (mark === null) {
    // Several nodes may open a new namespace at once. The first node stores its form, and the other nodes read that form.
    await requests.put({
      Item: { ...keyItem(keys.form), n: number(formVersion) },
      ...hasRevision(0),
    })
    mark = await requests.get(keys.form)
  }
  if (mark !== null && numberOf(mark, 'n') > formVersion) throw newerError(requests, numberOf(mark, 'n'))
}

/**
 * Asks for an entry of each index, with conditions on both of its keys.
 *
 * @throws JobistemerError `STORAGE_FOREIGN` if the table has other keys or indexes
 */
export async function askIndexes(requests: Requests): Promise<void> {
  const ask = (IndexName: string, partition: string, order: string, least: ReturnType<typeof text>) =>
    requests.query({
      IndexName,
      KeyConditionExpression: `${partition} = :none AND ${order} >= :least`,
      ExpressionAttributeValues: { ':none': text('none'), ':least': least },
      Limit: 1,
    })
  await Promise.all([
    ask(liveIndex, names.livePartition, names.liveOrder, number(0)),
    ask(failedIndex, names.failedPartition, names.failedOrder, text('-')),
  ])
}

function newerError({ tableName }: Requests, version: number): JobistemerError {
  const message = `The data are in form ${version}, and this version of @jobistemer/storage-dynamodb knows ${formVersion}: ${tableName}.`
  const remedy = 'Update @jobistemer/storage-dynamodb on this node.'
  return storageFailure('STORAGE_SCHEMA_NEWER', ['tableName', tableName], message, remedy)
}
