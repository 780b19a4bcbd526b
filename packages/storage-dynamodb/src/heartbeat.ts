import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import {
  byIncarnation,
  type HeartbeatAnswer,
  type HeartbeatRequest,
  isNewsOf,
  type NodeAtCounter,
  type NodeProfile,
  type NodeRecord,
  objectOfStored,
} from '@jobistemer/core/storage'
import { type Item, json, number, numberOf, optionalJson, storedJson } from './attributes.ts'
import { incarnationOfKey, keyItem, keyOf, type Keys } from './keys.ts'
import { put, remove } from './record-writes.ts'
import { partitionQuery } from './requests.ts'
import { contended, type Table, untilDecided } from './table.ts'

/** Implements `heartbeat` of `Storage`: one write and one consistent read, if no profile changes and no node is removed. */
export async function heartbeat(table: Table, request: HeartbeatRequest): Promise<HeartbeatAnswer> {
  const { own, profile, remove: removed, profilesOf } = request
  const { requests, keys } = table
  await Promise.all(removed.map(async (node) => await removeNode(table, node)))
  const nodes = own === null ? await listNodes(table) : await putNode(table, own, profile)
  const profiles = await requests.getAll(profilesOf.map((incarnation) => keys.profile(incarnation)))
  return {
    nodes,
    profiles: profilesOf.map((incarnation) => {
      const item = profiles.get(keys.profile(incarnation))
      return item === null ? null : objectOfStored(storedJson(item.j))
    }),
  }
}

/** Returns all node records from their partition, ordered by incarnation. */
async function listNodes({ requests, keys }: Table): Promise<readonly NodeRecord[]> {
  const nodes: NodeRecord[] = []
  for await (const item of requests.queryAll(partitionQuery(keys.nodes))) nodes.push(readNode(item))
  return nodes.sort(byIncarnation)
}

/** Stores the node record if its counter is newer, and then returns all node records. */
async function putNode(
  table: Table,
  own: NodeRecord,
  profile: NodeProfile | undefined,
): Promise<readonly NodeRecord[]> {
  const { requests, keys } = table
  const putRecord = {
    Item: nodeItem(keys, own),
    ConditionExpression: `attribute_not_exists(pk) OR ${counterName} < :counter`,
    ExpressionAttributeValues: { ':counter': number(own.counter) },
  }
  return await untilDecided(table, own.incarnation, async () => {
    const written =
      profile === undefined
        ? await requests.put(putRecord)
        : await requests.transact([
            { Put: { TableName: requests.tableName, ...putRecord } },
            put(table, { ...keyItem(keys.profile(own.incarnation)), j: json(profile) }),
          ])
    const nodes = await listNodes(table)
    const stored = nodes.find(({ incarnation }) => incarnation === own.incarnation)
    // If `own` is newer than the stored record, only a transaction on the same item can have prevented the write. So
    // `untilDecided` repeats the write.
    return written || !isNewsOf(stored ?? null, own) ? nodes : contended
  })
}

/** Removes a node record and its profile, unless the node has sent another heartbeat since the caller read the record. */
async function removeNode(table: Table, { incarnation, counter }: NodeAtCounter): Promise<void> {
  const { requests, keys } = table
  const key = keys.node(incarnation)
  const removal: TransactWriteItem[] = [
    {
      Delete: {
        TableName: requests.tableName,
        Key: keyItem(key),
        ConditionExpression: `${counterName} = :counter`,
        ExpressionAttributeValues: { ':counter': number(counter) },
      },
    },
    remove(table, keys.profile(incarnation)),
  ]
  await untilDecided(table, incarnation, async () => {
    if (await requests.transact(removal)) return null
    const item = await requests.get(key)
    return item !== null && readNode(item).counter === counter ? contended : null
  })
}

/** Name of the counter attribute. Writes of a node record are conditional on this attribute. */
const counterName = 'c'

function nodeItem(keys: Keys, { node, incarnation, counter, startedAt, leaving, about }: NodeRecord): Item {
  const item: Item = {
    ...keyItem(keys.node(incarnation)),
    [counterName]: number(counter),
    n: json(node),
    s: number(startedAt),
    a: json(about),
  }
  if (leaving) item.l = { BOOL: true }
  return item
}

function readNode(item: Item): NodeRecord {
  return {
    node: optionalJson<string>(item, 'n') ?? '',
    incarnation: incarnationOfKey(keyOf(item)),
    counter: numberOf(item, counterName),
    startedAt: numberOf(item, 's'),
    leaving: item.l?.BOOL === true,
    about: objectOfStored(storedJson(item.a)),
  }
}
