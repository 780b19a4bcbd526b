import type { UpdateItemCommandInput } from '@aws-sdk/client-dynamodb'
import { isFailure, judgeSettle, type SettleAnswer, type SettleItem } from '@jobistemer/core/storage'
import { type Item, json, number, text } from './attributes.ts'
import { bulkKeys, hasBulk, referenceTo, storeBulk } from './bulk.ts'
import { shardOf } from './keys.ts'
import { failedPlace, names, readOccurrence } from './occurrence-item.ts'
import { keyItem } from './requests.ts'
import type { Table } from './table.ts'

/**
 * Settles an occurrence by one write, without reading it first: as most of them end with nobody waiting, that is the
 * usual way. Answers `null` when the end or release concerns others of the job, or the record is not where it was said to
 * be: then the rules are to decide.
 */
export async function quickSettle(table: Table, item: SettleItem, now: number): Promise<SettleAnswer | null> {
  const runs = await storedRuns(table, item)
  const outcome = await table.requests.update(alone(table, item, runs, now))
  if (outcome.written) {
    await removeParts(table, outcome.before, runs)
    return accepted(outcome.before)
  }
  if (outcome.found === null) return null
  const { record } = readOccurrence(outcome.found)
  switch (judgeSettle(record, item)) {
    case 'lost':
      return { outcome: 'lost', state: record.state, token: record.token }
    case 'repeated':
      return accepted(outcome.found)
    case 'apply':
      return null
  }
}

function accepted(item: Item): SettleAnswer {
  const { cancelRequest } = readOccurrence(item).record
  return { outcome: 'ok', woken: null, cancelRequested: cancelRequest?.reason ?? null }
}

/**
 * The write to the occurrence's item alone, without reading it first. Its condition says in DynamoDB's words what
 * `judgeSettle` calls `apply`, for one whose end concerns nobody else.
 */
function alone({ keys }: Table, item: SettleItem, runs: Item, now: number): Omit<UpdateItemCommandInput, 'TableName'> {
  const { change } = item
  const values: Item = {
    ':running': text('running'),
    ':token': number(item.token),
    ':sequence': number(item.sequence),
    ':one': number(1),
  }
  const sets = [`${names.sequence} = :sequence`, `${names.revision} = ${names.revision} + :one`]
  const removes: string[] = []
  for (const name of [names.runs, referenceTo(names.runs)]) {
    const value = runs[name]
    if (value === undefined) removes.push(name)
    else {
      sets.push(`${name} = :${name}`)
      values[`:${name}`] = value
    }
  }
  if (change.kind !== 'progress') {
    sets.push('#s = :state')
    values[':state'] = text(change.kind === 'finish' ? change.state : 'pending')
    if (change.reason === null) removes.push(names.reason)
    else {
      sets.push(`${names.reason} = :reason`)
      values[':reason'] = json(change.reason)
    }
  }
  if (change.kind === 'finish') {
    sets.push(`${names.finishedAt} = :now`)
    values[':now'] = number(now)
    removes.push(names.livePartition, names.liveOrder)
    for (const [name, value] of Object.entries(isFailure(change.state) ? failedPlace(keys, item, now) : {})) {
      sets.push(`${name} = :${name}`)
      values[`:${name}`] = value
    }
  }
  if (change.kind === 'release') {
    sets.push(`${names.dueAt} = :dueAt`, `${names.liveOrder} = :dueAt`, `${names.livePartition} = :place`)
    values[':dueAt'] = number(change.dueAt)
    values[':place'] = text(keys.livePartition('pending', shardOf(item.id, 'pending')))
  }
  const unmarked = change.kind === 'progress' ? '' : ` AND attribute_not_exists(${names.marked})`
  // Where one with a priority belongs in the index is not known without reading it.
  const ordinary = change.kind === 'release' ? ` AND attribute_not_exists(${names.priority})` : ''
  return {
    Key: keyItem(keys.occurrence(item)),
    UpdateExpression: `SET ${sets.join(', ')}${removes.length === 0 ? '' : ` REMOVE ${removes.join(', ')}`}`,
    ConditionExpression: `#s = :running AND ${names.token} = :token AND ${names.sequence} < :sequence${unmarked}${ordinary}`,
    ExpressionAttributeNames: { '#s': names.state },
    ExpressionAttributeValues: values,
  }
}

/** The attributes that hold the task runs: as they are, or a reference to parts. */
async function storedRuns(table: Table, item: SettleItem): Promise<Item> {
  if (item.runs.length === 0) return {}
  return await storeBulk(table, { ...keyItem(table.keys.occurrence(item)), [names.runs]: json(item.runs) })
}

/** Takes away parts that an earlier write of the same owner has left. */
async function removeParts({ keys, requests }: Table, before: Item, runs: Item): Promise<void> {
  if (!hasBulk(before)) return
  const stays = new Set(runs.pk === undefined ? [] : bulkKeys(keys, runs).map(({ sk }) => sk))
  const { [referenceTo(names.details)]: _, ...others } = before
  await requests.deleteAll(bulkKeys(keys, others).filter(({ sk }) => !stays.has(sk)))
}
