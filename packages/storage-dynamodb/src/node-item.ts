import { type NodeProfile, type NodeRecord, objectOfStored } from '@jobistemer/core/storage'
import { type Item, json, number, numberOf, optionalJson, storedJson } from './attributes.ts'
import { incarnationOfKey, keyItem, keyOf, type Keys } from './keys.ts'

/** Name of the counter attribute. Writes of a node record are conditional on this attribute. */
export const counterName = 'c'

export function nodeItem(keys: Keys, { node, incarnation, counter, startedAt, leaving, about }: NodeRecord): Item {
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

export function readNode(item: Item): NodeRecord {
  return {
    node: optionalJson<string>(item, 'n') ?? '',
    incarnation: incarnationOfKey(keyOf(item)),
    counter: numberOf(item, counterName),
    startedAt: numberOf(item, 's'),
    leaving: item.l?.BOOL === true,
    about: objectOfStored(storedJson(item.a)),
  }
}

export function profileItem(keys: Keys, incarnation: string, profile: NodeProfile): Item {
  return { ...keyItem(keys.profile(incarnation)), j: json(profile) }
}

export function readProfile(item: Item): NodeProfile {
  return objectOfStored(storedJson(item.j))
}
