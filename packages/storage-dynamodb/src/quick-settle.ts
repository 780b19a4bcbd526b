import type { UpdateItemCommandInput } from '@aws-sdk/client-dynamodb'
import { isFailure, judgeSettle, partialAnswers, type SettleAnswer, type SettleItem } from '@jobistemer/core/storage'
import { type Item, json, number, text } from './attributes.ts'
import { isBulky, type Table } from './table.ts'
import { keyItem, shardOf } from './keys.ts'
import { failedPlace, names, ownerValue, readOccurrence } from './occurrence-item.ts'

/**
 * Settles an occurrence by one write, without reading it first. Returns `null` in five cases, in which the caller must read
 * the occurrence and apply core's rules:
 * - The end of the occurrence may wake or cancel other occurrences.
 * - The settle hands back an occurrence that has a priority.
 * - The table has no record at the address in `item`.
 * - The task runs are in separate items, or are too large for the record's item.
 * - DynamoDB throttles the write for 2 s, and accepts other writes. Other jobs may wait for this settle. The step that follows
 *   is brief only if they do.
 */
export async function quickSettle(table: Table, item: SettleItem, now: number): Promise<SettleAnswer | null> {
  if (isBulky(runsOf(item), names.runs)) return null
  const update = table.requests.brief.update(alone(table, item, now))
  const outcome = await update.catch((error) => (partialAnswers.has(error) ? null : Promise.reject(error)))
  return outcome?.written ? accepted(outcome.before) : refused(outcome?.found ?? null, item)
}

/**
 * Returns the answer if the stored record shows that the settle must not be applied. Returns `null` if core's rules must decide
 * the answer.
 */
function refused(found: Item | null, item: SettleItem): SettleAnswer | null {
  if (found === null) return null
  const { record } = readOccurrence(found)
  switch (judgeSettle(record, item)) {
    case 'lost':
      return { outcome: 'lost', state: record.state, token: record.token }
    case 'repeated':
      return accepted(found)
    case 'apply':
      return null
  }
}

function accepted(item: Item): SettleAnswer {
  const { cancelRequest } = readOccurrence(item).record
  return { outcome: 'ok', woken: null, cancelRequested: cancelRequest?.reason ?? null }
}

/**
 * Builds the update that settles an occurrence and writes only the item of this occurrence. The condition of the update
 * requires two things: `judgeSettle` would return `apply`, and the step need not wake or cancel any other occurrence.
 */
function alone({ keys }: Table, item: SettleItem, now: number): Omit<UpdateItemCommandInput, 'TableName'> {
  const { change } = item
  const { condition, values } = conditionOf(item)
  const sets = [`${names.sequence} = :sequence`, `${names.revision} = ${names.revision} + :one`]
  const removes: string[] = []
  const { [names.runs]: runs } = runsOf(item)
  if (runs === undefined) removes.push(names.runs)
  else {
    sets.push(`${names.runs} = :runs`)
    values[':runs'] = runs
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
  return {
    Key: keyItem(keys.occurrence(item)),
    UpdateExpression: `SET ${sets.join(', ')}${removes.length === 0 ? '' : ` REMOVE ${removes.join(', ')}`}`,
    ConditionExpression: condition,
    ExpressionAttributeNames: { '#s': names.state },
    ExpressionAttributeValues: values,
  }
}

function conditionOf(item: SettleItem): { readonly condition: string; readonly values: Item } {
  const { kind } = item.change
  const unmarked = kind === 'progress' ? '' : ` AND attribute_not_exists(${names.marked})`
  // A hand-back moves the occurrence to a partition of pending occurrences, which depends on the priority. So this
  // update applies only to occurrences without a priority.
  const ordinary = kind === 'release' ? ` AND attribute_not_exists(${names.priority})` : ''
  const ofOwner = item.owner == null ? '' : ` AND ${names.owner} = :owner`
  const isNews = `#s = :running AND ${names.token} = :token${ofOwner} AND ${names.sequence} < :sequence`
  const unsplit = ` AND attribute_not_exists(${names.runsParts})`
  const values: Item = {
    ':running': text('running'),
    ':token': number(item.token),
    ':sequence': number(item.sequence),
    ':one': number(1),
    ...(item.owner != null && { ':owner': ownerValue(item.owner) }),
  }
  return { condition: `${isNews}${unsplit}${unmarked}${ordinary}`, values }
}

/** Returns the attribute with the task runs; an empty item if there are no task runs. */
function runsOf({ runs }: SettleItem): Item {
  return runs.length === 0 ? {} : { [names.runs]: json(runs) }
}
