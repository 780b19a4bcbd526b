import type { UpdateItemCommandInput } from '@aws-sdk/client-dynamodb'
import {
  finished,
  handedBack,
  judgeSettle,
  type OccurrenceAddress,
  type OccurrenceRecord,
  type SettleAnswer,
  type SettleItem,
  type SettleRequest,
  withRuns,
} from '@jobistemer/core/storage'
import { type Item, json, number, text } from './attributes.ts'
import { bulkKeys, hasBulk, referenceTo, storeBulk } from './bulk.ts'
import { commitStep } from './carry-out.ts'
import { byJob, jobOf } from './in-order.ts'
import { shardOf } from './keys.ts'
import { names, readOccurrence, type StoredOccurrence } from './occurrence-item.ts'
import { keyItem } from './requests.ts'
import { openStep } from './open-step.ts'
import { contended, findOccurrence, type Table, untilDecided } from './table.ts'

export async function settleOccurrences(table: Table, { items, now }: SettleRequest): Promise<readonly SettleAnswer[]> {
  return await byJob(items, jobOf, async (item) => {
    return await untilDecided(table, item.id, async () => await settleOne(table, item, now))
  })
}

async function settleOne(table: Table, item: SettleItem, now: number): Promise<SettleAnswer | typeof contended> {
  const runs = await storedRuns(table, item)
  const outcome = await table.requests.update(alone(table, item, runs, now))
  if (outcome.written) {
    await removeParts(table, outcome.before, runs)
    return accepted(readOccurrence(outcome.before).record, null)
  }
  const stored = outcome.found === null ? await findOccurrence(table, item) : readOccurrence(outcome.found)
  const answer = refusal(stored, item)
  if (answer !== null) return answer
  const { record } = stored as StoredOccurrence
  // A trigger that was repeated lies under the time of its first request.
  if (record.scheduledAt !== item.scheduledAt) {
    return await settleOne(table, { ...item, scheduledAt: record.scheduledAt }, now)
  }
  return await settleWithHead(table, record, item, now)
}

function accepted(record: OccurrenceRecord, woken: OccurrenceAddress | null): SettleAnswer {
  return { outcome: 'ok', woken, cancelRequested: record.cancelRequest?.reason ?? null }
}

/** The answer to an item that changes nothing; `null` for one that does. */
function refusal(stored: StoredOccurrence | null, item: SettleItem): SettleAnswer | null {
  if (stored === null) return { outcome: 'lost', state: 'absent', token: 0 }
  const { record } = stored
  const verdict = judgeSettle(record, item)
  if (verdict === 'lost') return { outcome: 'lost', state: record.state, token: record.token }
  return verdict === 'repeated' ? accepted(record, null) : null
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
  }
  if (change.kind === 'release') {
    sets.push(`${names.dueAt} = :dueAt`, `${names.liveOrder} = :dueAt`, `${names.livePartition} = :place`)
    values[':dueAt'] = number(change.dueAt)
    values[':place'] = text(keys.livePartition('pending', shardOf(item.id, 'pending')))
  }
  const unmarked = change.kind === 'progress' ? '' : ` AND attribute_not_exists(${names.marked})`
  return {
    Key: keyItem(keys.occurrence(item)),
    UpdateExpression: `SET ${sets.join(', ')}${removes.length === 0 ? '' : ` REMOVE ${removes.join(', ')}`}`,
    ConditionExpression: `#s = :running AND ${names.token} = :token AND ${names.sequence} < :sequence${unmarked}`,
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

/** The way of an occurrence whose end or release concerns others of its job. */
async function settleWithHead(
  table: Table,
  address: OccurrenceAddress,
  item: SettleItem,
  now: number,
): Promise<SettleAnswer | typeof contended> {
  const opened = await openStep(table, address)
  if (opened === contended) return contended
  const { step, stored } = opened
  const answer = refusal(stored, item)
  if (answer !== null) return answer
  const { record } = stored as StoredOccurrence
  const { change, runs, sequence } = item
  let woken: OccurrenceAddress | null = null
  if (change.kind === 'finish') {
    step.replace(finished(record, { state: change.state, reason: change.reason, runs, sequence }, now))
    woken = await step.wakeNext()
  } else if (change.kind === 'release') {
    const jobDeleted = step.head.deletedAt !== null
    const kept = withRuns(record, runs, sequence)
    step.replace(handedBack(kept, { dueAt: change.dueAt, reason: change.reason, jobDeleted }, now))
  } else {
    // It was in order to say so, and is so again: somebody else has written between the two readings.
    return contended
  }
  return (await commitStep(table, step)) ? accepted(record, woken) : contended
}
